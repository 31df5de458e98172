//! One container's life on an engine.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::PoisonError;

use serde_json::json;

use super::attach::attach;
use super::{Docker, Image};
use crate::drive::clock::monotonic_nanos;
use crate::drive::guest::protocol::{GuestLimits, Inside};
use crate::drive::runtime::cgroup::GUEST_MEMORY;
use crate::drive::runtime::managed::image::{BINARY, FILES, IDENTITY};
use crate::drive::runtime::managed::{
    Built, Desk, Order, Sandbox, Saved, Source, Tier, note, span,
};
use crate::drive::runtime::{
    Abilities, Footprint, Limits, LostIsolation, RuntimeError, Stage, Stages,
};
use crate::units::{Bytes, Span};

/// A snapshot: an image of the engine's.
#[derive(Debug)]
pub struct Stored {
    image: String,
}

impl Docker {
    fn image(&self) -> Image {
        self.image.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn name(desk: &Desk, slot: u64) -> String {
        format!("plimsoll-{}-{slot}", desk.journal.tag())
    }

    /// What the engine is asked to make; the API's "Create a container".
    fn container(&self, desk: &Desk, slot: u64, image: &str, limits: &Limits) -> serde_json::Value {
        let inside = Inside {
            files: FILES.into(),
            identity: IDENTITY.into(),
            launched_ns: 0,
            isolated_ns: 0,
            with_parent: false,
            // Engines refuse single limits where their own defaults are above the host's.
            limits: Some(GuestLimits {
                data_bytes: (limits.memory + GUEST_MEMORY).0,
                file_bytes: limits.disk.0,
                processes: limits.processes,
            }),
        };
        let inside = serde_json::to_string(&inside).expect("plain paths and numbers");
        let memory = (limits.memory + GUEST_MEMORY).0;
        json!({
            "Image": image,
            "Entrypoint": [BINARY],
            "Cmd": ["guest", "inside", desk.journal.tag().as_str(), slot.to_string(), inside],
            "Env": ["PATH=/", format!("LD_LIBRARY_PATH={}", self.library_path)],
            "Hostname": format!("sandbox-{slot}"),
            "AttachStdin": true, "AttachStdout": true, "AttachStderr": true,
            // The guest ends when the driver closes its end.
            "OpenStdin": true, "StdinOnce": true, "Tty": false,
            "NetworkDisabled": !self.config.network,
            "HostConfig": {
                "NetworkMode": if self.config.network { "host" } else { "none" },
                "Memory": memory,
                "NanoCpus": (limits.vcpu.0 * 1e9) as u64,
                "PidsLimit": limits.processes,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
                "LogConfig": {"Type": "none"},
            },
        })
    }

    /// Makes a container with its identity, not started.
    async fn prepare(
        &self,
        desk: &Desk,
        slot: u64,
        order: Order<'_, Stored>,
    ) -> Result<(), RuntimeError> {
        let (image, token) = match order.source {
            Source::Token(token) => (self.image().name, Some(token.to_owned())),
            Source::Snapshot(stored) => (stored.image.clone(), None),
        };
        let container = self.container(desk, slot, &image, &order.limits);
        let (engine, name) = (self.engine.clone(), Docker::name(desk, slot));
        let directory = desk.directory(slot);
        desk.blocking("make a container", move || {
            fs::create_dir(&directory)?;
            engine.create(&name, container)?;
            match token {
                Some(token) => engine.put(&name, &identity(&token)?),
                None => Ok(()),
            }
        })
        .await
    }
}

/// The identity's file, as an archive for the container's root.
fn identity(token: &str) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(token.len() as u64);
    header.set_mode(0o400);
    builder.append_data(&mut header, IDENTITY.trim_start_matches('/'), token.as_bytes())?;
    builder.into_inner()
}

impl Tier for Docker {
    type Body = ();
    type Stored = Stored;

    fn abilities(&self) -> Abilities {
        Abilities {
            name: "docker".into(),
            real: true,
            snapshot_files: true,
            snapshot_memory: false,
            limits_memory: true,
            limits_processes: true,
            limits_cpu: true,
            clock_shared: true,
        }
    }

    fn lost(&self) -> Vec<LostIsolation> {
        Vec::new()
    }

    fn guest_paces(&self) -> bool {
        false
    }

    async fn build(
        &self,
        desk: &Desk,
        slot: u64,
        order: Order<'_, Stored>,
        stages: &mut Stages,
    ) -> Result<Built<()>, RuntimeError> {
        let reserved = monotonic_nanos();
        self.prepare(desk, slot, order).await?;
        let made = monotonic_nanos();
        note(stages, Stage::Prepare, reserved, made);
        let (directory, name) = (desk.directory(slot), Docker::name(desk, slot));
        let attached = attach(self.engine.socket(), &name, &directory).await;
        let stream = attached.map_err(|source| failed("attach to a container", source))?;
        let engine = self.engine.clone();
        desk.blocking("start a container", move || engine.start(&name)).await?;
        let met = desk.meet(order.sandbox, &directory, stream).await?;
        note(stages, Stage::Isolate, made, met.began);
        note(stages, Stage::Start, met.began, met.heard);
        Ok(Built { link: met.link, identity: met.identity, nonce: met.nonce, body: () })
    }

    async fn footprint(
        &self,
        desk: &Desk,
        live: &Sandbox<Self>,
    ) -> Result<Footprint, RuntimeError> {
        let (engine, name) = (self.engine.clone(), Docker::name(desk, live.slot));
        let process = desk.blocking("ask for a container's process", move || engine.process(&name));
        Ok(Footprint { roots: with_monitor(process.await?), sessions: 1 })
    }

    async fn save(
        &self,
        desk: &Desk,
        live: &Sandbox<Self>,
        place: &Path,
        stages: &mut Stages,
    ) -> Result<Saved<Stored>, RuntimeError> {
        let began = monotonic_nanos();
        let (engine, name) = (self.engine.clone(), Docker::name(desk, live.slot));
        // A snapshot's directory is named by its number.
        let number = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let commit = move || engine.commit(&name, &number);
        let image = desk.blocking("commit a container", commit).await?;
        let packed = monotonic_nanos();
        note(stages, Stage::Pack, began, packed);
        self.stop(desk, live.slot, Some(live), Span::ZERO).await?;
        stages.push(Stage::Stop, span(packed, monotonic_nanos()));
        let (engine, of) = (self.engine.clone(), image.clone());
        let whole = desk.blocking("measure an image", move || engine.size(&of)).await?;
        let bytes = Bytes(whole.0.saturating_sub(self.image().bytes.0));
        let stored = Stored { image };
        Ok(Saved { stored, bytes, memory: Bytes(0), memory_raw: None })
    }

    async fn forget(&self, desk: &Desk, stored: &Stored) -> Result<(), RuntimeError> {
        let (engine, image) = (self.engine.clone(), stored.image.clone());
        desk.blocking("remove an image", move || engine.remove_image(&image)).await
    }

    /// The engine kills and removes at once.
    async fn stop(
        &self,
        desk: &Desk,
        slot: u64,
        _: Option<&Sandbox<Self>>,
        _: Span,
    ) -> Result<bool, RuntimeError> {
        let (engine, name) = (self.engine.clone(), Docker::name(desk, slot));
        desk.blocking("remove a container", move || engine.remove(&name)).await?;
        Ok(false)
    }

    async fn clear(&self, _: &Desk, _: u64) -> Result<(), RuntimeError> {
        Ok(())
    }

    fn kill_all(&self) -> (u64, Vec<String>) {
        match self.engine.remove_containers() {
            Ok(count) => (count, Vec::new()),
            Err(error) => (0, vec![format!("containers of the engine: {error}")]),
        }
    }

    fn clear_all(&self, _: &Desk) -> Vec<String> {
        // What was being made while all was killed.
        let containers = self.engine.remove_containers().map(drop);
        let images = self.engine.remove_images().map(drop);
        let left = [containers, images].into_iter().filter_map(Result::err);
        left.map(|error| format!("on the engine: {error}")).collect()
    }
}

/// A container's process, and its parent if that is a monitor which engines give to each container.
fn with_monitor(process: i32) -> Vec<i32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    let parent = parent.and_then(|parent| parent.trim().parse::<i32>().ok());
    let is_monitor = |parent: &i32| {
        let name = fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
        ["conmon", "containerd-shim"].iter().any(|monitor| name.starts_with(monitor))
    };
    // The parent's descendants are the container's, too.
    vec![parent.filter(is_monitor).unwrap_or(process)]
}

fn failed(what: &str, source: io::Error) -> RuntimeError {
    RuntimeError::Environment {
        what: what.to_owned(),
        source,
        mend: "see what the engine's own log says",
    }
}
