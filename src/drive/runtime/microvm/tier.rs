//! One machine's life.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::machine::{self, DISK, MEMORY, Machine, QMP};
use super::qmp::Qmp;
use super::{Microvm, sparse};
use crate::drive::clock::monotonic_nanos;
use crate::drive::guest::protocol::{GuestLimits, Request, Tend};
use crate::drive::journal::ProcessId;
use crate::drive::runtime::cgroup::{Controller, GUEST_MEMORY, kill_run_group};
use crate::drive::runtime::managed::{
    Built, Desk, Met, Order, Sandbox, Saved, Source, Tier, note, span,
};
use crate::drive::runtime::oci::Keep;
use crate::drive::runtime::{
    Abilities, Footprint, Limits, LostIsolation, RuntimeError, Stage, Stages,
};
use crate::units::{Bytes, Span};

/// Name of the initramfs in the run's image.
pub const INITRAMFS: &str = "initramfs";

/// Threads of QEMU beside those that are the machine's cores.
const MONITOR_THREADS: u64 = 256;

/// A snapshot in the store.
#[derive(Debug)]
pub struct Stored {
    disk: PathBuf,
    memory: Option<PathBuf>,
}

impl Microvm {
    fn keeps_memory(&self) -> bool {
        self.config.keep == Keep::Most
    }

    /// The machine's directory with its disk, and its memory if it has been. Returns the groups to
    /// join, and how long unpacking took.
    async fn prepare(
        &self,
        desk: &Desk,
        slot: u64,
        order: Order<'_, Stored>,
    ) -> Result<(Vec<PathBuf>, Span), RuntimeError> {
        let stored = match order.source {
            Source::Token(_) => None,
            Source::Snapshot(stored) => Some((stored.disk.clone(), stored.memory.clone())),
        };
        let (directory, templates) = (desk.directory(slot), desk.journal.directory().image());
        let (limits, cgroups) = (order.limits, self.cgroups.clone());
        desk.blocking("make a machine's disk", move || {
            fs::create_dir(&directory)?;
            let mut unpacking = Span::ZERO;
            match stored {
                None => machine::fresh_disk(&templates, limits.disk, &directory.join(DISK))?,
                Some((disk, memory)) => {
                    let began = monotonic_nanos();
                    sparse::unpack(&disk, &directory.join(DISK))?;
                    if let Some(memory) = memory {
                        sparse::unpack(&memory, &directory.join(MEMORY))?;
                    }
                    unpacking = span(began, monotonic_nanos());
                }
            }
            let whole = Machine::memory(&limits) + machine::MONITOR_MEMORY;
            let limits = Limits {
                memory: Bytes(whole.0.saturating_sub(GUEST_MEMORY.0)),
                processes: MONITOR_THREADS,
                ..limits
            };
            Ok((cgroups.add(slot, &limits)?, unpacking))
        })
        .await
    }

    fn machine(&self, desk: &Desk, slot: u64, limits: Limits, resumes: bool) -> Vec<String> {
        let accel = self.found().accel;
        let machine = Machine {
            program: &self.program,
            name: format!("plimsoll-{}-{slot}", desk.journal.tag()),
            kernel: &self.kernel.image,
            initramfs: &desk.journal.directory().image().join(INITRAMFS),
            accel,
            limits,
            library_path: &self.library_path,
            tsc_khz: self.tsc_khz.filter(|_| accel == super::Accel::Tcg),
            resumes,
        };
        machine.command()
    }

    /// Boots: waits until the guest is up, and tells it whose machine it is.
    async fn boot(
        &self,
        desk: &Desk,
        order: Order<'_, Stored>,
        directory: &Path,
        stream: tokio::net::UnixStream,
    ) -> Result<(Met, u64), RuntimeError> {
        let within = self.found().boot_within;
        let (link, up) = desk.meet_machine(order.sandbox, directory, stream, within).await?;
        let token = match order.source {
            Source::Token(token) => Some(token.to_owned()),
            Source::Snapshot(_) => None,
        };
        let limits = GuestLimits {
            data_bytes: (order.limits.memory + GUEST_MEMORY).0,
            file_bytes: order.limits.disk.0,
            processes: order.limits.processes,
        };
        let enter = |id| Request::Enter { id, token, limits };
        Ok((desk.hello(order.sandbox, directory, link, enter).await?, up))
    }

    async fn qmp(&self, sandbox: &str, directory: &Path) -> Result<Qmp, RuntimeError> {
        Qmp::connect(directory, QMP).await.map_err(|source| told(sandbox, source))
    }

    /// Waits until a restored machine runs: what is sent to its serial port before is lost.
    async fn resumed(&self, desk: &Desk, directory: &Path) -> Result<(), RuntimeError> {
        let runs = async {
            loop {
                match Qmp::connect(directory, QMP).await {
                    Ok(mut qmp) => return qmp.runs().await,
                    // QEMU has not made its socket yet.
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                        ) =>
                    {
                        tokio::time::sleep(Span::from_millis(5).into()).await;
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let what = "restore a machine";
        match tokio::time::timeout(desk.common.create_within.into(), runs).await {
            Ok(outcome) => outcome.map_err(|source| told(what, source)),
            Err(_) => Err(told(what, io::ErrorKind::TimedOut.into())),
        }
    }

    /// Ends a machine so that its disk is whole.
    async fn shut_down(&self, desk: &Desk, live: &Sandbox<Self>) -> Result<(), RuntimeError> {
        live.link.tell(&Request::End).await;
        if self.tenders.ended(live.slot, desk.common.stop_within).await? {
            return Ok(());
        }
        Err(told("shut a machine down", io::ErrorKind::TimedOut.into()))
    }
}

fn told(what: &str, source: io::Error) -> RuntimeError {
    RuntimeError::Environment {
        what: what.to_owned(),
        source,
        mend: "see what `plimsoll doctor` says of virtual machines",
    }
}

impl Tier for Microvm {
    type Body = ProcessId;
    type Stored = Stored;

    fn abilities(&self) -> Abilities {
        Abilities {
            name: "microvm".into(),
            real: true,
            snapshot_files: true,
            snapshot_memory: self.keeps_memory(),
            // A machine has the memory that it was given.
            limits_memory: true,
            // What it starts the host does not have.
            limits_processes: true,
            limits_cpu: self.cgroups.limits(Controller::Cpu),
            clock_shared: false,
        }
    }

    fn lost(&self) -> Vec<LostIsolation> {
        self.found().lost.clone()
    }

    fn guest_paces(&self) -> bool {
        !self.cgroups.limits(Controller::Cpu)
    }

    async fn build(
        &self,
        desk: &Desk,
        slot: u64,
        order: Order<'_, Stored>,
        stages: &mut Stages,
    ) -> Result<Built<ProcessId>, RuntimeError> {
        let reserved = monotonic_nanos();
        let (cgroups, unpacking) = self.prepare(desk, slot, order).await?;
        let asked = monotonic_nanos();
        stages.push(Stage::Prepare, span(reserved, asked).saturating_sub(unpacking));
        if !unpacking.is_zero() {
            stages.push(Stage::Unpack, unpacking);
        }
        let directory = desk.directory(slot);
        let resumes = matches!(order.source, Source::Snapshot(Stored { memory: Some(_), .. }));
        let tend = Tend {
            driver: i32::try_from(std::process::id()).expect("pids fit"),
            cgroups,
            directory: directory.clone(),
            run: self.machine(desk, slot, order.limits, resumes),
            pid_file: None,
            after: Vec::new(),
        };
        let (process, stream) = self.tenders.tend(desk, slot, &tend).await?;
        let met = if resumes {
            self.resumed(desk, &directory).await?;
            let met = desk.meet_again(order.sandbox, &directory, stream).await?;
            note(stages, Stage::Resume, asked, met.heard);
            met
        } else {
            let (met, up) = self.boot(desk, order, &directory, stream).await?;
            note(stages, Stage::Isolate, asked, up);
            note(stages, Stage::Start, up, met.heard);
            met
        };
        Ok(Built { link: met.link, identity: met.identity, nonce: met.nonce, body: process })
    }

    async fn footprint(&self, _: &Desk, live: &Sandbox<Self>) -> Result<Footprint, RuntimeError> {
        Ok(Footprint { roots: vec![live.body.pid], sessions: 1 })
    }

    async fn save(
        &self,
        desk: &Desk,
        live: &Sandbox<Self>,
        place: &Path,
        stages: &mut Stages,
    ) -> Result<Saved<Stored>, RuntimeError> {
        let (began, directory) = (monotonic_nanos(), desk.directory(live.slot));
        let written = if self.keeps_memory() {
            let mut qmp = self.qmp("reach a machine's monitor", &directory).await?;
            let saved = qmp.save_to(MEMORY).await;
            saved.map_err(|source| told("write a machine's memory", source))?;
            let written = monotonic_nanos();
            note(stages, Stage::Memory, began, written);
            // The machine stands still and its disk is flushed: nothing is lost by killing it.
            self.tenders.stop(live.slot, None, Span::ZERO).await?;
            written
        } else {
            self.shut_down(desk, live).await?;
            began
        };
        let stopped = monotonic_nanos();
        note(stages, Stage::Stop, written, stopped);
        let keeps = self.keeps_memory();
        let (disk, memory) = (place.join("disk.zst"), place.join("memory.zst"));
        let stored = Stored { disk: disk.clone(), memory: keeps.then(|| memory.clone()) };
        let work = move || {
            let disk = sparse::pack(&directory.join(DISK), &disk)?;
            if !keeps {
                return Ok((disk, None));
            }
            let raw = Bytes(directory.join(MEMORY).metadata()?.len());
            Ok((disk, Some((sparse::pack(&directory.join(MEMORY), &memory)?, raw))))
        };
        let (disk, memory) = desk.blocking("pack a machine", work).await?;
        let packing = span(stopped, monotonic_nanos());
        let syncing = disk.syncing + memory.map_or(Span::ZERO, |(packed, _)| packed.syncing);
        stages.push(Stage::Pack, packing.saturating_sub(syncing));
        stages.push(Stage::Sync, syncing);
        let kept = memory.map_or(Bytes(0), |(packed, _)| packed.bytes);
        let memory_raw = memory.map(|(_, raw)| raw);
        Ok(Saved { stored, bytes: disk.bytes + kept, memory: kept, memory_raw })
    }

    /// A machine is not asked: like a real platform's, it is switched off.
    async fn stop(
        &self,
        _: &Desk,
        slot: u64,
        _: Option<&Sandbox<Self>>,
        _: Span,
    ) -> Result<bool, RuntimeError> {
        self.tenders.stop(slot, None, Span::ZERO).await?;
        Ok(false)
    }

    async fn clear(&self, desk: &Desk, slot: u64) -> Result<(), RuntimeError> {
        let cgroups = self.cgroups.clone();
        desk.blocking("remove a machine's control groups", move || cgroups.remove(slot)).await
    }

    fn kill_all(&self) -> (u64, Vec<String>) {
        let (killed, mut left) = self.tenders.kill_all();
        for path in self.cgroups.paths() {
            if let Err(error) = kill_run_group(&path) {
                left.push(format!("processes of {}: {error}", path.display()));
            }
        }
        (killed, left)
    }

    fn clear_all(&self, _: &Desk) -> Vec<String> {
        self.cgroups.remove_all()
    }
}
