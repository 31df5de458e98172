//! The calls of the Docker Engine API that a life of containers takes; Podman answers the same. See
//! the API's reference, version 1.40, which both have had since 2019.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::http::{self, Answer, quoted};
use crate::units::Bytes;

const API: &str = "/v1.40";
const JSON: &str = "application/json";
const TAR: &str = "application/x-tar";

/// The label that says whose a container or an image is.
const LABEL: &str = "plimsoll.run";

/// The repository of all images that plimsoll makes. The host's name keeps engines from looking for
/// it on a registry.
const REPOSITORY: &str = "localhost/plimsoll-run";

/// An engine and the run that uses it.
#[derive(Clone, Debug)]
pub struct Engine {
    socket: PathBuf,
    run: String,
}

impl Engine {
    /// The engine that listens at a socket, on behalf of the run of this tag.
    pub fn at(socket: &Path, run: &str) -> Self {
        Engine { socket: socket.to_owned(), run: run.to_owned() }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> io::Result<Answer> {
        let answer = http::ask(&self.socket, method, &format!("{API}{path}"), kind, body)?;
        if answer.status < 300 {
            return Ok(answer);
        }
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let why = said["message"].as_str().unwrap_or("no reason given");
        let kind =
            if answer.status == 404 { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
        Err(io::Error::new(kind, format!("{method} {path}: {} {why}", answer.status)))
    }

    fn ask_json(&self, method: &str, path: &str, body: &Value) -> io::Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.ask(method, path, JSON, body.as_bytes())?;
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(io::Error::other)
    }

    /// What the engine says of itself: its name, its version.
    ///
    /// # Errors
    /// If nobody listens, or it is no engine.
    pub fn version(&self) -> io::Result<String> {
        let version = self.ask_json("GET", "/version", &Value::Null)?;
        let name = version["Components"][0]["Name"].as_str().unwrap_or("Engine").to_owned();
        Ok(format!("{name} {}", version["Version"].as_str().unwrap_or("of unknown version")))
    }

    /// The change that marks an image as this run's, for a query.
    fn marked(&self) -> String {
        quoted(&format!("LABEL {LABEL}={}", self.run))
    }

    /// Where an image goes, for a query, and the name that it then has. Every image has one: an engine
    /// removes nameless ones with the last that stands on them.
    fn named(&self, what: &str) -> (String, String) {
        let tag = format!("{}-{what}", self.run);
        (format!("repo={}&tag={tag}", quoted(REPOSITORY)), format!("{REPOSITORY}:{tag}"))
    }

    /// Makes an image of a root, packed as a tar archive. Returns its name.
    ///
    /// # Errors
    /// If the engine cannot.
    pub fn import(&self, root: &[u8]) -> io::Result<String> {
        let path = format!("/images/create?fromSrc=-&changes={}", self.marked());
        let answer = self.ask("POST", &path, TAR, root)?;
        // Progress, one JSON object a line; the last names the image by its digest. Podman does not
        // take a name here, so it is given afterwards.
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let last: Value = serde_json::from_str(text.trim_end().lines().last().unwrap_or_default())?;
        let Some(digest) = last["status"].as_str().filter(|status| status.starts_with("sha256:"))
        else {
            return Err(io::Error::other(format!("the import said `{}`", text.trim_end())));
        };
        let (place, name) = self.named("root");
        self.ask("POST", &format!("/images/{digest}/tag?{place}"), JSON, b"")?;
        Ok(name)
    }

    /// Makes a container and does not start it.
    ///
    /// # Errors
    /// If the engine cannot.
    pub fn create(&self, name: &str, mut container: Value) -> io::Result<()> {
        container["Labels"] = json!({LABEL: self.run});
        self.ask_json("POST", &format!("/containers/create?name={name}"), &container).map(drop)
    }

    /// Puts files, packed as a tar archive, into a container's root.
    ///
    /// # Errors
    /// If the engine cannot.
    pub fn put(&self, name: &str, files: &[u8]) -> io::Result<()> {
        self.ask("PUT", &format!("/containers/{name}/archive?path=/"), TAR, files).map(drop)
    }

    /// Starts a container.
    ///
    /// # Errors
    /// If the engine cannot.
    pub fn start(&self, name: &str) -> io::Result<()> {
        self.ask("POST", &format!("/containers/{name}/start"), JSON, b"").map(drop)
    }

    /// The process, on this machine, that a container's first one is.
    ///
    /// # Errors
    /// If there is no such container, or it does not run.
    pub fn process(&self, name: &str) -> io::Result<i32> {
        let told = self.ask_json("GET", &format!("/containers/{name}/json"), &Value::Null)?;
        let process = told["State"]["Pid"].as_i64().filter(|process| *process > 0);
        let process = process.and_then(|process| i32::try_from(process).ok());
        process.ok_or_else(|| io::Error::other("the engine names no process of the container"))
    }

    /// Pauses a container, and makes an image of what it is by then. Returns its name.
    ///
    /// # Errors
    /// If the engine cannot.
    pub fn commit(&self, container: &str, what: &str) -> io::Result<String> {
        let (place, name) = self.named(what);
        let marked = self.marked();
        let path = format!("/commit?container={container}&pause=true&{place}&changes={marked}");
        self.ask_json("POST", &path, &json!({})).map(|_| name)
    }

    /// The size of an image with all that it stands on.
    ///
    /// # Errors
    /// If there is none.
    pub fn size(&self, image: &str) -> io::Result<Bytes> {
        let image = self.ask_json("GET", &format!("/images/{image}/json"), &Value::Null)?;
        Ok(Bytes(image["Size"].as_u64().unwrap_or(0)))
    }

    /// Kills and removes a container; that it is gone is as well.
    ///
    /// # Errors
    /// If the engine cannot.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        gone(self.ask("DELETE", &format!("/containers/{name}?force=true&v=true"), JSON, b""))
    }

    /// Removes an image; that it is gone is as well.
    ///
    /// # Errors
    /// If the engine cannot.
    pub fn remove_image(&self, image: &str) -> io::Result<()> {
        gone(self.ask("DELETE", &format!("/images/{image}?force=true"), JSON, b""))
    }

    /// The names of what carries this run's label: `containers` or `images`.
    fn ours(&self, what: &str) -> io::Result<Vec<String>> {
        let filter = json!({"label": [format!("{LABEL}={}", self.run)]}).to_string();
        let path = format!("/{what}/json?all=true&filters={}", quoted(&filter));
        let list = self.ask_json("GET", &path, &Value::Null)?;
        let name = |one: &Value| {
            // Dangling images are listed under a name that is none.
            let tag = one["RepoTags"][0].as_str().filter(|tag| !tag.starts_with("<none>"));
            tag.or(one["Id"].as_str()).map(str::to_owned)
        };
        Ok(list.as_array().into_iter().flatten().filter_map(name).collect())
    }

    /// Kills and removes all containers of this run. Returns how many there were.
    ///
    /// # Errors
    /// If the engine is not to be reached, or one cannot be removed.
    pub fn remove_containers(&self) -> io::Result<u64> {
        let containers = self.ours("containers")?;
        containers.iter().try_for_each(|id| self.remove(id))?;
        Ok(containers.len() as u64)
    }

    /// Removes all images of this run. Returns how many there were.
    ///
    /// # Errors
    /// If the engine is not to be reached, or one cannot be removed.
    pub fn remove_images(&self) -> io::Result<u64> {
        let mut removed = 0;
        loop {
            // One that another stands on goes after it: each round removes those on top.
            let images = self.ours("images")?;
            if images.is_empty() {
                return Ok(removed);
            }
            let outcomes: Vec<_> = images.iter().map(|id| self.remove_image(id)).collect();
            let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
            if done == 0 {
                return outcomes.into_iter().collect::<io::Result<()>>().map(|()| removed);
            }
            removed += done;
        }
    }
}

fn gone(outcome: io::Result<Answer>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.map(drop),
    }
}
