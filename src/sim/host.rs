//! One host: its image cache, its store bandwidth, its cores and the memory that calls hold. An
//! elastic platform is one host to all but the cores, and on one machine to them too.

use super::cpu::CpuShare;
use super::pipe::Pipe;
use crate::conduct::Setup;
use crate::engine::Timer;
use crate::scenario::types::Image;
use crate::units::{Bandwidth, Time};

/// A bandwidth, and the event of its next transfer's end.
#[derive(Debug)]
pub(super) struct Flow {
    pub pipe: Pipe,
    pub timer: Option<Timer>,
}

/// A host.
#[derive(Debug)]
pub(super) struct Host {
    /// End of the first image stage: known from when that stage begins, if it takes a given time.
    pub image_at: Option<Time>,
    pub writes: Flow,
    pub reads: Flow,
    pub pulls: Flow,
    pub cpu: CpuShare,
    pub cpu_timer: Option<Timer>,
    /// Memory that tool calls hold, and how much there is.
    pub memory_held: u64,
    pub memory: u64,
}

/// What a host of some type has.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostShape {
    pub cores: f64,
    /// What a core serves that is alone at work, and its speed where all work.
    one_core: f64,
    full_speed: f64,
    pub memory: u64,
    write: Bandwidth,
    read: Bandwidth,
    pull: Bandwidth,
    image_placed: bool,
}

impl HostShape {
    /// A host of an elastic platform, or of a type.
    pub fn new(setup: &Setup, kind: Option<usize>) -> Self {
        let tier = &setup.tier;
        let write = tier.snapshot.as_ref().map_or(Bandwidth::UNLIMITED, |s| s.kind().bandwidth);
        let pull = match &tier.image {
            Image::Pull(pull) => pull.bandwidth,
            Image::Time(_) => Bandwidth::UNLIMITED,
        };
        let (cores, memory) = match kind {
            Some(kind) => {
                let host = &setup.host_types[kind];
                (host.cores.0, host.memory.0)
            }
            None => (
                setup.machine.map_or(f64::INFINITY, |machine| machine.cores.0 * machine.speed),
                u64::MAX,
            ),
        };
        let machine = setup.machine.filter(|_| kind.is_none());
        let one_core = machine.map_or(1.0, |machine| machine.speed);
        let full_speed = machine.map_or(1.0, |_| tier.on_machine.full_speed.0);
        let read = tier.restore.bandwidth;
        HostShape {
            cores,
            one_core,
            full_speed,
            memory,
            write,
            read,
            pull,
            image_placed: setup.images_placed,
        }
    }
}

impl Host {
    pub fn new(shape: HostShape) -> Self {
        let flow = |bandwidth| Flow { pipe: Pipe::new(bandwidth), timer: None };
        Host {
            image_at: shape.image_placed.then_some(Time::ZERO),
            writes: flow(shape.write),
            reads: flow(shape.read),
            pulls: flow(shape.pull),
            cpu: CpuShare::slowing(shape.cores, shape.one_core, shape.full_speed),
            cpu_timer: None,
            memory_held: 0,
            memory: shape.memory,
        }
    }

    /// An empty host is of this shape.
    pub fn is_of(&mut self, shape: HostShape) {
        self.cpu = CpuShare::new(shape.cores);
        self.memory = shape.memory;
    }

    /// Whether the image is there. A stage that ends at the instant at which another begins is over,
    /// whichever was scheduled first.
    pub fn has_image(&self, at: Time) -> bool {
        self.image_at.is_some_and(|here| here <= at)
    }
}
