//! The little of HTTP/1.1 that an engine's API takes, over its unix socket: one request a connection,
//! blocking, so that it serves where there is no tokio runtime any more; RFC 9112.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longest wait for the next byte of an answer.
const SILENCE_AT_MOST: Duration = Duration::from_secs(120);

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Makes a request and reads the whole answer.
///
/// # Errors
/// If nobody listens, or what comes is no HTTP.
pub fn ask(socket: &Path, method: &str, path: &str, kind: &str, body: &[u8]) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SILENCE_AT_MOST))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    // In one piece: an engine that needs no body answers and closes before a second one comes.
    let sent = stream.write_all(&[head.as_bytes(), body].concat());
    match sent {
        // It may have said why it takes no more.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        outcome => outcome?,
    }
    read_answer(&mut BufReader::new(stream))
}

/// What tells how long a body is.
enum Length {
    Bytes(usize),
    Chunks,
    ToTheEnd,
}

fn read_answer(reader: &mut impl BufRead) -> io::Result<Answer> {
    let (status, head) = read_head(reader)?;
    let value = |name: &str| head.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let chunked = value("transfer-encoding").is_some_and(|value| value.contains("chunked"));
    let length = match value("content-length").and_then(|value| value.parse().ok()) {
        _ if matches!(status, 100..200 | 204 | 304) => Length::Bytes(0),
        _ if chunked => Length::Chunks,
        Some(length) => Length::Bytes(length),
        None => Length::ToTheEnd,
    };
    let mut body = Vec::new();
    match length {
        Length::Bytes(length) => {
            body.resize(length, 0);
            reader.read_exact(&mut body)?;
        }
        Length::Chunks => read_chunks(reader, &mut body)?,
        Length::ToTheEnd => drop(reader.read_to_end(&mut body)?),
    }
    Ok(Answer { status, body })
}

/// The status and the fields of a head, their names in lower case.
///
/// # Errors
/// If it is no HTTP.
pub fn read_head(reader: &mut impl BufRead) -> io::Result<(u16, Vec<(String, String)>)> {
    let first = read_line(reader)?;
    let status =
        first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| foreign(&first))?;
    let mut fields = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok((status, fields));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| foreign(&line))?;
        fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let line = read_line(reader)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| foreign(&line))?;
        if size == 0 {
            // What may follow says nothing about the body.
            while !read_line(reader)?.is_empty() {}
            return Ok(());
        }
        let from = body.len();
        body.resize(from + size, 0);
        reader.read_exact(&mut body[from..])?;
        read_line(reader)?;
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn foreign(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("an engine does not say `{line}`"))
}

/// A value in a request's query, where all but the plainest characters are written as codes.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> io::Result<Answer> {
        read_answer(&mut text.as_bytes())
    }

    #[test]
    fn bodies_end_where_their_head_says() {
        let plain = answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK, and more").unwrap();
        assert_eq!(plain, Answer { status: 200, body: b"OK".to_vec() });
        let chunks = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n\
                      3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(
            answer(chunks).unwrap(),
            Answer { status: 201, body: b"abc0123456789".to_vec() }
        );
        assert_eq!(answer("HTTP/1.0 500 No\r\n\r\nall of it").unwrap().body, b"all of it");
        assert_eq!(answer("HTTP/1.1 204 No Content\r\n\r\n").unwrap().status, 204);
    }

    #[test]
    fn what_is_cut_short_or_no_http_is_an_error() {
        assert!(answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort").is_err());
        assert!(answer("SSH-2.0-OpenSSH\r\n\r\n").is_err());
        assert!(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").is_err());
        assert!(answer("").is_err());
    }

    #[test]
    fn a_query_is_quoted() {
        assert_eq!(quoted("LABEL a=1-b"), "LABEL%20a%3D1-b");
    }
}
