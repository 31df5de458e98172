//! Summaries as an HdrHistogram interval log, which its plotting tools read.

use std::io::Write;
use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::Summary;

/// Why a log could not be written.
#[derive(Debug, thiserror::Error)]
pub enum HlogError {
    /// A tag with a comma, a space or a line end would break the line format.
    #[error("`{0}` cannot be a tag in a histogram log: expected no comma, space or line end")]
    Tag(String),
    /// A histogram could not be encoded, or the file could not be written.
    #[error("the histogram of `{tag}` could not be written: {reason}")]
    Write {
        /// The tag of the histogram.
        tag: String,
        /// What went wrong.
        reason: String,
    },
    /// The head of the file could not be written.
    #[error("the histogram log could not be written: {0}")]
    Io(#[from] std::io::Error),
}

/// Writes one line for each summary with observations, tagged, for the interval of `length` from
/// `start` (seconds of the run). Values are the recorded ones: nanoseconds, tokens, bytes. What
/// overflowed a histogram is told in a comment.
pub fn write_hlog<'a, W: Write>(
    out: &mut W,
    start: Duration,
    length: Duration,
    summaries: impl IntoIterator<Item = (&'a str, &'a Summary)>,
) -> Result<(), HlogError> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .begin_log_with(out, &mut serializer)?;
    for (name, summary) in summaries {
        let bad = |c: char| c == ',' || c.is_whitespace();
        let tag = Tag::new(name).filter(|_| !name.contains(bad));
        let tag = tag.ok_or_else(|| HlogError::Tag(name.to_owned()))?;
        if summary.overflow() > 0 {
            let count = summary.overflow();
            log.write_comment(&format!("[{name}: {count} values above the histogram's bound]"))?;
        }
        let Some(histogram) = summary.histogram() else { continue };
        log.write_histogram(histogram, start, length, Some(tag)).map_err(|error| {
            HlogError::Write { tag: name.to_owned(), reason: error.to_string() }
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    fn decode(text: &str) -> Vec<u8> {
        // Standard base64, which the log format uses.
        const TABLE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut bytes = Vec::new();
        let (mut bits, mut held) = (0_u32, 0);
        for c in text.bytes().filter(|c| *c != b'=') {
            bits = bits << 6 | TABLE.iter().position(|t| *t == c).unwrap() as u32;
            held += 6;
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
                bits &= (1 << held) - 1;
            }
        }
        bytes
    }

    #[test]
    fn a_log_reads_back_by_tag() {
        let (mut turn, mut wait) = (Summary::durations(), Summary::up_to(100));
        for value in [1_000_000, 2_000_000, 60_000_000_000] {
            turn.record(value);
        }
        wait.record(7);
        wait.record(101);
        let empty = Summary::durations();
        let mut out = Vec::new();
        let entries = [("turn", &turn), ("unused", &empty), ("wait", &wait)];
        write_hlog(&mut out, Duration::from_secs(60), Duration::from_secs(3600), entries).unwrap();
        let text = String::from_utf8(out.clone()).unwrap();
        assert!(text.contains("#[wait: 1 values above the histogram's bound]"), "{text}");
        let mut found = Vec::new();
        for entry in IntervalLogIterator::new(&out) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                let bytes = decode(interval.encoded_histogram());
                let histogram: hdrhistogram::Histogram<u64> =
                    Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
                assert_eq!(interval.start_timestamp(), Duration::from_secs(60));
                assert_eq!(interval.duration(), Duration::from_secs(3600));
                found.push((interval.tag().unwrap().as_str().to_owned(), histogram));
            }
        }
        let lengths: Vec<_> = found.iter().map(|(tag, h)| (tag.as_str(), h.len())).collect();
        assert_eq!(lengths, [("turn", 3), ("wait", 1)]);
        assert!(found[0].1.equivalent(found[0].1.max(), 60_000_000_000));
    }

    #[test]
    fn a_tag_that_would_break_the_line_is_refused() {
        let summary = Summary::durations();
        let written =
            write_hlog(&mut Vec::new(), Duration::ZERO, Duration::ZERO, [("a,b", &summary)]);
        assert_eq!(
            written.unwrap_err().to_string(),
            "`a,b` cannot be a tag in a histogram log: expected no comma, space or line end"
        );
    }
}
