//! Starting, signalling and reaping the processes that the driver starts: launchers and tenders.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tokio::sync::oneshot;

use super::link::Link;
use crate::drive::journal::{ProcessId, wait_for_end};
use crate::drive::watched;
use crate::units::Span;

/// How long a launcher may take to end once it is signalled.
pub const KILL_WITHIN: Duration = Duration::from_secs(2);

/// The launchers that run or wait to be reaped, by slot.
///
/// A pid is signalled only while its process is in this table and unreaped, both under the lock, so
/// that no signal ever goes to a stranger who was given the same number.
#[derive(Debug, Default)]
pub struct Children(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    children: FxHashMap<u64, Child>,
    closed: bool,
}

impl Children {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a launcher, unless all were told to end.
    fn spawn(&self, slot: u64, mut command: Command) -> io::Result<ProcessId> {
        let mut table = self.table();
        if table.closed {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "the run is being ended"));
        }
        let child = command.spawn()?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        // It is not reaped yet, so it is there, be it as a zombie.
        let process = ProcessId::of(pid);
        table.children.insert(slot, child);
        process.ok_or_else(|| io::Error::other("cannot read its start from /proc"))
    }

    /// Signals a launcher that has not been reaped.
    pub fn signal(&self, slot: u64, signal: Signal) {
        if let Some(child) = self.table().children.get(&slot) {
            // A zombie takes a signal in silence; nothing else can go wrong with one's own child.
            let _ = kill_process(pid_of(child), signal);
        }
    }

    /// Reaps a launcher that has ended. `Ok(None)` if it still runs; an unknown one has ended.
    pub fn reap(&self, slot: u64) -> io::Result<Option<Option<ExitStatus>>> {
        let mut table = self.table();
        let Some(child) = table.children.get_mut(&slot) else { return Ok(Some(None)) };
        let status = child.try_wait()?;
        if status.is_some() {
            table.children.remove(&slot);
        }
        Ok(status.map(Some))
    }

    fn handle(&self, slot: u64) -> io::Result<Option<OwnedFd>> {
        let table = self.table();
        let Some(child) = table.children.get(&slot) else { return Ok(None) };
        Ok(Some(pidfd_open(pid_of(child), PidfdFlags::empty())?))
    }

    /// Waits until a launcher has ended and reaps it; false if it has not ended within `bound`.
    pub async fn ended(&self, slot: u64, bound: Span) -> io::Result<bool> {
        let Some(handle) = self.handle(slot)? else { return Ok(true) };
        let handle = watched::readable(handle)?;
        if tokio::time::timeout(bound.into(), handle.readable()).await.is_err() {
            return Ok(self.reap(slot)?.is_some());
        }
        Ok(self.reap(slot)?.is_some())
    }

    /// Ends a guest: asks it over the link, waits, signals its launcher, which kills the guest and
    /// reaps it before it ends itself. True if it had to be killed.
    ///
    /// # Errors
    /// If even a killed launcher does not end.
    pub async fn stop(&self, slot: u64, link: Option<&Link>, within: Span) -> io::Result<bool> {
        if let Some(link) = link {
            link.close().await;
            if self.ended(slot, within).await? {
                return Ok(false);
            }
        }
        for signal in [Signal::TERM, Signal::KILL] {
            self.signal(slot, signal);
            if self.ended(slot, KILL_WITHIN.into()).await? {
                return Ok(true);
            }
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "a killed launcher does not end"))
    }

    /// Kills and reaps all, without a tokio runtime, and lets no new ones start. Returns how many
    /// there were and what could not be ended.
    pub fn kill_all(&self, bound: Duration) -> (u64, Vec<String>) {
        let mut children = {
            let mut table = self.table();
            table.closed = true;
            std::mem::take(&mut table.children)
        };
        let count = children.len() as u64;
        for signal in [Signal::TERM, Signal::KILL] {
            for child in children.values() {
                let _ = kill_process(pid_of(child), signal);
            }
            let deadline = Instant::now() + bound;
            children.retain(|_, child| {
                let left = deadline.saturating_duration_since(Instant::now());
                !matches!(reap_within(child, left), Ok(true))
            });
        }
        let left = children.values().map(|child| format!("launcher {} does not end", child.id()));
        (count, left.collect())
    }
}

fn pid_of(child: &Child) -> Pid {
    let pid = i32::try_from(child.id()).expect("pids fit");
    Pid::from_raw(pid).expect("a child's pid is not zero")
}

fn reap_within(child: &mut Child, bound: Duration) -> io::Result<bool> {
    let handle = pidfd_open(pid_of(child), PidfdFlags::empty())?;
    wait_for_end(&handle, bound)?;
    Ok(child.try_wait()?.is_some())
}

struct Order {
    slot: u64,
    command: Command,
    answer: oneshot::Sender<io::Result<ProcessId>>,
}

/// A thread that starts all launchers.
///
/// The kernel tells a child of its parent's death when the *thread* ends that made it; tokio's
/// threads come and go, this one stays as long as the runtime.
#[derive(Debug)]
pub struct Spawner {
    orders: Mutex<mpsc::Sender<Order>>,
}

impl Spawner {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start(children: Arc<Children>) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::Builder::new().name("plimsoll-spawner".into()).spawn(move || {
            for order in inbox {
                // Spawning uses up the command, and with it this process's copy of the guest's end
                // of the socket.
                let outcome = children.spawn(order.slot, order.command);
                // Whoever asked may be gone; the launcher then stands in the table all the same.
                let _ = order.answer.send(outcome);
            }
        })?;
        Ok(Spawner { orders: Mutex::new(orders) })
    }

    /// Starts a launcher.
    ///
    /// # Errors
    /// If it cannot be started, or the run is being ended.
    pub async fn spawn(&self, slot: u64, command: Command) -> io::Result<ProcessId> {
        let (answer, answered) = oneshot::channel();
        let order = Order { slot, command, answer };
        let sent = self.orders.lock().unwrap_or_else(PoisonError::into_inner).send(order);
        sent.map_err(|_| io::Error::other("the spawning thread has ended"))?;
        answered.await.map_err(|_| io::Error::other("the spawning thread has ended"))?
    }
}
