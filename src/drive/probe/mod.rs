//! What a runtime's sandboxes really are, found out from inside them: who can read whose secrets, which
//! kernel answers, what survives hibernation, which limits hold.
//!
//! Every probe has a control: the same reader, pointed at a place where it must find what it looks
//! for. A control that does not fire makes the probe void, for then "not found" says nothing. The
//! isolation tier is concluded from what was observed, never from a runtime's name.

mod claims;
mod cost;
mod identity;
mod limits;
mod noise;
mod scale;
mod secrets;
mod state;
mod tier;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::guest::digest_bytes;
use super::guest::probe::{Kernel, ProbeFound, ProbeWork};
use super::runtime::{
    AnyRuntime, CreateSpec, Created, Limits, LostIsolation, RuntimeError, SandboxId,
};
use crate::units::{Bytes, Span};
pub use cost::{Factors, HostMemory, SandboxCost, bare, host_memory, sandbox_cost};
pub use scale::{Contention, Density, Scale, scale};
pub use tier::{Evidence, ObservedTier, conclude};

/// The first number of the probes' sandboxes, far from those of a run.
const FIRST: u64 = 1 << 40;

/// How a probe went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// What the runtime claims was seen.
    Holds,
    /// What the runtime claims is not so.
    Broken,
    /// It is not so, and the runtime does not claim it.
    Open,
    /// The control did not fire, or the probe could not be made: it says nothing.
    Void,
    /// A fact, neither good nor bad.
    Reported,
}

/// The same reader where it must find something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Control {
    /// It did.
    pub fired: bool,
    /// What it was pointed at.
    pub at: String,
}

impl Control {
    fn new(fired: bool, at: impl Into<String>) -> Self {
        Control { fired, at: at.into() }
    }
}

/// What one probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name: `secret.file`.
    pub probe: String,
    /// How it went.
    pub verdict: Verdict,
    /// What was seen.
    pub observed: String,
    /// The control.
    pub control: Control,
}

impl Finding {
    /// A probe of something that holds or does not.
    fn judged(
        probe: impl Into<String>,
        (holds, claimed): (bool, bool),
        observed: impl Into<String>,
        control: Control,
    ) -> Self {
        let verdict = match (control.fired, holds, claimed) {
            (false, ..) => Verdict::Void,
            (true, true, _) => Verdict::Holds,
            (true, false, true) => Verdict::Broken,
            (true, false, false) => Verdict::Open,
        };
        Finding { probe: probe.into(), verdict, observed: observed.into(), control }
    }

    /// A fact.
    fn reported(probe: impl Into<String>, observed: impl Into<String>, control: Control) -> Self {
        let verdict = if control.fired { Verdict::Reported } else { Verdict::Void };
        Finding { probe: probe.into(), verdict, observed: observed.into(), control }
    }

    /// A probe that could not be made.
    fn void(probe: impl Into<String>, why: &RuntimeError) -> Self {
        let control = Control::new(false, "not reached");
        Finding { probe: probe.into(), verdict: Verdict::Void, observed: why.to_string(), control }
    }
}

/// What was observed of a runtime.
#[derive(Clone, Debug, Serialize)]
pub struct Observation {
    /// The runtime's name.
    pub runtime: String,
    /// What its sandboxes are, by what was observed.
    pub tier: ObservedTier,
    /// Why.
    pub because: Vec<String>,
    /// The kernel that a sandbox sees; none if none could be made.
    pub kernel: Option<Kernel>,
    /// The host's.
    pub host: Kernel,
    /// What each probe found.
    pub findings: Vec<Finding>,
    /// What a sandbox costs, if it was measured.
    pub cost: Option<SandboxCost>,
    /// Isolation that the runtime itself says could not be had here.
    pub lost: Vec<LostIsolation>,
}

impl Observation {
    /// Whether something that the runtime claims is not so.
    pub fn broken(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == Verdict::Broken)
    }

    /// Whether some probe says nothing.
    pub fn void(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == Verdict::Void)
    }
}

/// How much is done.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// The binary that understands `guest`, for secrets of the host.
    pub launcher: PathBuf,
    /// Where the sandbox without any isolation keeps its state, against which factors are measured;
    /// without it nothing is measured.
    pub measure_in: Option<PathBuf>,
    /// How long each part of the noisy neighbour's probe lasts.
    pub noise: Span,
    /// Small files of the tree that hibernates.
    pub files: u32,
    /// Its large file; its sparse one is eight times as long.
    pub large: Bytes,
}

impl ProbeOptions {
    /// All of it.
    pub fn with(launcher: &Path) -> Self {
        ProbeOptions {
            launcher: launcher.to_owned(),
            measure_in: None,
            noise: Span::from_secs(1),
            files: 2000,
            large: Bytes(8 << 20),
        }
    }
}

/// Makes sandboxes for probes.
struct Prober<'a> {
    runtime: &'a AnyRuntime,
    options: &'a ProbeOptions,
    next: AtomicU64,
}

impl Prober<'_> {
    fn fresh(&self) -> SandboxId {
        SandboxId(FIRST + self.next.fetch_add(1, Ordering::Relaxed))
    }

    async fn create(&self, token: &str, limits: Limits) -> Result<SandboxId, RuntimeError> {
        Ok(self.created(token, limits).await?.0)
    }

    async fn created(
        &self,
        token: &str,
        limits: Limits,
    ) -> Result<(SandboxId, Created), RuntimeError> {
        let sandbox = self.fresh();
        let spec = CreateSpec { sandbox, token: token.to_owned(), limits };
        let created = self.runtime.create(spec).await?;
        Ok((sandbox, created))
    }

    async fn probe(&self, on: SandboxId, work: ProbeWork) -> Result<ProbeFound, RuntimeError> {
        self.runtime.probe(on, work).await
    }

    /// Destroys sandboxes, also those that have died; what cannot be removed is at the drain.
    async fn destroy(&self, sandboxes: &[SandboxId]) {
        for sandbox in sandboxes {
            let _ = self.runtime.destroy(*sandbox).await;
        }
    }
}

/// The guest answered something else than what it was asked: a bug.
fn unexpected(sandbox: SandboxId, found: &ProbeFound) -> RuntimeError {
    RuntimeError::Protocol { sandbox, line: format!("{found:?}") }
}

/// A token that nobody else has.
fn random_token(what: &str) -> String {
    let random = super::guest::probe::draw().unwrap_or_default();
    format!("{what} {}", &digest_bytes(format!("{what}{random}").as_bytes())[..24])
}

/// Three sessions that most probes look at: two of one agent, one of another.
struct Trio {
    tokens: [String; 3],
    sandboxes: [SandboxId; 3],
}

impl Trio {
    async fn create(prober: &Prober<'_>) -> Result<Self, RuntimeError> {
        let names = ["agent one, session 1", "agent one, session 2", "agent two, session 1"];
        let tokens = names.map(random_token);
        let mut made = Vec::with_capacity(tokens.len());
        for token in &tokens {
            match prober.create(token, Limits::default()).await {
                Ok(sandbox) => made.push(sandbox),
                Err(error) => {
                    prober.destroy(&made).await;
                    return Err(error);
                }
            }
        }
        let [first, second, third] = made[..] else { unreachable!("three tokens make three") };
        Ok(Trio { tokens, sandboxes: [first, second, third] })
    }
}

impl Observation {
    /// Nothing yet.
    fn of(runtime: &AnyRuntime) -> Self {
        Observation {
            runtime: runtime.abilities().name.into_owned(),
            tier: ObservedTier::Unknown,
            because: Vec::new(),
            kernel: None,
            host: Kernel::here(),
            findings: Vec::new(),
            cost: None,
            lost: runtime.lost_isolation(),
        }
    }
}

/// Probes a runtime as far as its tier is concluded from: two sandboxes, whose kernel is asked and whose
/// secrets are sought. The runtime is left to the caller.
///
/// # Errors
/// If the sandboxes cannot be made or looked into.
pub async fn observe_tier(
    runtime: &AnyRuntime,
    options: &ProbeOptions,
) -> Result<Observation, RuntimeError> {
    let prober = Prober { runtime, options, next: AtomicU64::new(0) };
    let mut seen = Observation::of(runtime);
    let mut evidence = Evidence::default();
    let token = random_token("agent one, session 1");
    let a = prober.create(&token, Limits::default()).await?;
    let other = prober.create(&random_token("agent one, session 2"), Limits::default()).await;
    let looked = match other {
        Ok(b) => {
            let looked = look_for_tier(&prober, (a, b), &token, &mut seen, &mut evidence).await;
            prober.destroy(&[b]).await;
            looked
        }
        Err(error) => Err(error),
    };
    prober.destroy(&[a]).await;
    looked?;
    (seen.tier, seen.because) = conclude(&evidence);
    Ok(seen)
}

/// Probes a runtime: makes sandboxes, looks around in them, and destroys them. The runtime is left to
/// the caller.
pub async fn observe(runtime: &AnyRuntime, options: &ProbeOptions) -> Observation {
    let prober = Prober { runtime, options, next: AtomicU64::new(0) };
    let mut seen = Observation::of(runtime);
    let mut evidence = Evidence::default();
    match Trio::create(&prober).await {
        Ok(trio) => {
            look(&prober, &trio, &mut seen, &mut evidence).await;
            prober.destroy(&trio.sandboxes).await;
        }
        Err(error) => seen.findings.push(Finding::void("sandboxes", &error)),
    }
    if let Some(state) = &options.measure_in {
        match cost::measured(&prober, state).await {
            Ok(cost) => seen.cost = Some(cost),
            Err(error) => seen.findings.push(Finding::void("cost", &error)),
        }
    }
    (seen.tier, seen.because) = conclude(&evidence);
    seen
}

/// The kernel of one session, and its secrets sought from the other.
///
/// # Errors
/// If a sandbox dies; what was seen until then is kept.
async fn look_for_tier(
    prober: &Prober<'_>,
    (a, b): (SandboxId, SandboxId),
    token: &str,
    seen: &mut Observation,
    evidence: &mut Evidence,
) -> Result<(), RuntimeError> {
    let kernel = identity::kernel(prober, a, &seen.host).await;
    match &kernel {
        Ok((kernel, finding)) => {
            evidence.kernel(kernel, &seen.host);
            seen.kernel = Some(kernel.clone());
            seen.findings.push(finding.clone());
        }
        Err(error) => seen.findings.push(Finding::void("kernel", error)),
    }
    let secrets = secrets::all(prober, (a, b), token).await;
    match &secrets {
        Ok(found) => {
            evidence.secrets(found);
            seen.findings.extend(found.iter().flat_map(secrets::SecretFound::findings));
        }
        Err(error) => seen.findings.push(Finding::void("secret", error)),
    }
    kernel.and(secrets).map(|_| ())
}

async fn look(prober: &Prober<'_>, trio: &Trio, seen: &mut Observation, evidence: &mut Evidence) {
    let [a, b, c] = trio.sandboxes;
    // What fails is void among the findings.
    let _ = look_for_tier(prober, (a, b), &trio.tokens[0], seen, evidence).await;
    let or_void = |probe: &str, outcome: Result<Finding, RuntimeError>| {
        outcome.unwrap_or_else(|error| Finding::void(probe, &error))
    };
    let distinct = identity::distinct(prober, trio).await;
    seen.findings.push(or_void("identity.distinct", distinct));
    seen.findings.extend(state::hibernation(prober, c).await);
    seen.findings.extend(limits::all(prober, c).await);
    let noise = noise::neighbour(prober, a, b).await;
    seen.findings.push(or_void("noisy-neighbour", noise));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_that_does_not_fire_makes_a_probe_void() {
        let verdict = |fired, holds, claimed| {
            Finding::judged("p", (holds, claimed), "", Control::new(fired, "")).verdict
        };
        assert_eq!(verdict(true, true, true), Verdict::Holds);
        assert_eq!(verdict(true, false, true), Verdict::Broken);
        assert_eq!(verdict(true, false, false), Verdict::Open);
        for (holds, claimed) in [(true, true), (false, true), (true, false), (false, false)] {
            assert_eq!(verdict(false, holds, claimed), Verdict::Void);
        }
        let fact = Finding::reported("p", "", Control::new(false, ""));
        assert_eq!(fact.verdict, Verdict::Void);
    }
}
