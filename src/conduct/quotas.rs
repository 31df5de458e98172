//! Quotas: what comes to each, what it holds up, and how much of it is used.
//!
//! A level (sandboxes, vCPUs, bytes, sessions, calls at once) is used as long as it is held. A rate
//! (creations, requests, tokens) is used in the window that ends now: what came within limit × window's
//! own window. If the busiest window took P, a bucket of limit × window that refills with the limit
//! holds nobody up from limit = P / window on: within any time L it gives limit · (window + L), which is
//! at least P for each window begun.

use std::collections::VecDeque;

use super::Conduct;
use super::executor::Executor;
use super::setup::{Setup, TenantTerms};
use crate::control::{ElasticTerms, HeldUpBy, RoomConfig};
use crate::measure::Recorder;
use crate::provider::Limits;
use crate::scenario::types::{Capacity, CreateRate, Elastic, Model, Quota, Scenario};
use crate::units::{Span, Time};
use crate::workload::plan::ClassId;

const MINUTE: Span = Span::from_secs(60);
/// Levels count vCPUs in millionths.
const MICRO: f64 = 1e-6;
/// Levels count memory and storage in bytes.
const IN_GIB: f64 = 1.0 / 1_073_741_824.0;

/// What a quota limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaSubject {
    /// Sandboxes at once.
    Sandboxes,
    /// vCPUs of all sandboxes.
    Vcpu,
    /// Memory of all sandboxes.
    Memory,
    /// Boots and restores per time.
    Creates,
    /// Sandboxes at once of a tenant.
    TenantSandboxes(u16),
    /// Boots and restores per time of a tenant.
    TenantCreates(u16),
    /// Bytes of stored snapshots.
    Storage,
    /// Sessions of a tenant open at once.
    TenantSessions(u16),
    /// Tokens of a tenant a day.
    TenantTokens(u16),
    /// Requests to a model per time.
    ModelRequests(u16),
    /// Tokens of a model per time.
    ModelTokens(u16),
    /// Calls of a model at once.
    ModelConcurrency(u16),
    /// Reserved throughput of a model, where nothing spills over.
    ModelReserved(u16),
}

/// A quota that a scenario sets.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotaTerms {
    /// Where it stands in the scenario.
    pub path: String,
    /// Of which tenant or model.
    pub of: Option<String>,
    /// What it limits.
    pub subject: QuotaSubject,
    /// The limit, in the unit that the scenario gives it in.
    pub limit: f64,
    /// That unit.
    pub unit: &'static str,
    /// One step of the level that is kept, in that unit.
    pub scale: f64,
    /// The window that a rate is used in; not compressed.
    pub window: Option<Span>,
}

impl QuotaTerms {
    fn level(path: &str, subject: QuotaSubject, limit: f64, unit: &'static str) -> Self {
        let (path, of) = (path.to_owned(), None);
        QuotaTerms { path, of, subject, limit, unit, scale: 1.0, window: None }
    }

    fn creates(path: &str, subject: QuotaSubject, rate: &CreateRate) -> Self {
        let window = rate.window.unwrap_or(rate.limit.unit());
        let unit = match rate.limit.unit().nanos() / 1_000_000_000 {
            60 => "creates/min",
            3600 => "creates/h",
            86_400 => "creates/d",
            604_800 => "creates/w",
            _ => "creates/s",
        };
        let per = if unit == "creates/s" { Span::from_secs(1) } else { rate.limit.unit() };
        QuotaTerms {
            scale: per.seconds() / window.seconds(),
            window: Some(window),
            ..Self::level(path, subject, rate.limit.per_second() * per.seconds(), unit)
        }
    }

    fn of(mut self, name: &str) -> Self {
        self.of = Some(name.to_owned());
        self
    }
}

/// All quotas that a scenario sets, the platform's first.
pub(super) fn terms(
    scenario: &Scenario,
    tenants: &[TenantTerms],
    models: &[(String, Model)],
) -> Vec<QuotaTerms> {
    let mut all = Vec::new();
    if let Capacity::Elastic(elastic) = &scenario.platform.capacity {
        of_elastic(elastic, tenants, &mut all);
    }
    if let Some(quota) = scenario.platform.storage_quota {
        let subject = QuotaSubject::Storage;
        let terms = QuotaTerms::level("platform.storage_quota", subject, quota.gib(), "GiB");
        all.push(QuotaTerms { scale: IN_GIB, ..terms });
    }
    for (number, tenant) in (0..).zip(tenants) {
        let place = format!("platform.governance.quotas.{}", tenant.name);
        let limits = [
            ("sessions", QuotaSubject::TenantSessions(number), tenant.sessions, "sessions"),
            (
                "tokens_per_day",
                QuotaSubject::TenantTokens(number),
                tenant.tokens_per_day,
                "tokens/day",
            ),
        ];
        for (key, subject, limit, unit) in limits {
            let Some(limit) = limit else { continue };
            let path = format!("{place}.{key}");
            all.push(QuotaTerms::level(&path, subject, limit as f64, unit).of(&tenant.name));
        }
    }
    for (number, (name, model)) in (0..).zip(models) {
        of_model(number, name, model, &mut all);
    }
    all
}

fn of_elastic(elastic: &Elastic, tenants: &[TenantTerms], all: &mut Vec<QuotaTerms>) {
    let place = "platform.capacity.elastic";
    let path = |key: &str| format!("{place}.{key}");
    if let Some(most) = elastic.max_concurrent.get() {
        let path = path("max_concurrent");
        all.push(QuotaTerms::level(&path, QuotaSubject::Sandboxes, most as f64, "sandboxes"));
    }
    if let Some(vcpu) = elastic.vcpu {
        let terms = QuotaTerms::level(&path("vcpu"), QuotaSubject::Vcpu, vcpu.0, "vCPU");
        all.push(QuotaTerms { scale: MICRO, ..terms });
    }
    if let Some(memory) = elastic.memory {
        let terms = QuotaTerms::level(&path("memory"), QuotaSubject::Memory, memory.gib(), "GiB");
        all.push(QuotaTerms { scale: IN_GIB, ..terms });
    }
    if let Some(rate) = &elastic.create_rate {
        all.push(QuotaTerms::creates(&path("create_rate"), QuotaSubject::Creates, rate));
    }
    let Some(own) = &elastic.per_tenant else { return };
    for (number, tenant) in (0..).zip(tenants) {
        if let Some(most) = own.max_concurrent.get() {
            let (path, subject) =
                (path("per_tenant.max_concurrent"), QuotaSubject::TenantSandboxes(number));
            all.push(QuotaTerms::level(&path, subject, most as f64, "sandboxes").of(&tenant.name));
        }
        if let Some(rate) = &own.create_rate {
            let (path, subject) =
                (path("per_tenant.create_rate"), QuotaSubject::TenantCreates(number));
            all.push(QuotaTerms::creates(&path, subject, rate).of(&tenant.name));
        }
    }
}

fn of_model(number: u16, name: &str, model: &Model, all: &mut Vec<QuotaTerms>) {
    let Quota { rpm, tpm, concurrency, window } = &model.quota;
    let place = format!("models.{name}.quota");
    let rates = [
        ("rpm", QuotaSubject::ModelRequests(number), rpm, "requests/min"),
        ("tpm", QuotaSubject::ModelTokens(number), tpm, "tokens/min"),
    ];
    for (key, subject, limit, unit) in rates {
        let Some(limit) = limit.get() else { continue };
        let path = format!("{place}.{key}");
        let terms = QuotaTerms::level(&path, subject, limit as f64, unit).of(name);
        let scale = MINUTE.seconds() / window.seconds();
        all.push(QuotaTerms { scale, window: Some(*window), ..terms });
    }
    if let Some(reserved) = model.provisioned.as_ref().filter(|p| !p.spill_over) {
        let (path, subject) =
            (format!("models.{name}.provisioned.units"), QuotaSubject::ModelReserved(number));
        let terms = QuotaTerms::level(&path, subject, reserved.units as f64, "units").of(name);
        let per_unit = reserved.input_per_unit.0 as f64 * reserved.window.seconds();
        let scale = MINUTE.seconds() / per_unit;
        all.push(QuotaTerms { scale, window: Some(reserved.window), ..terms });
    }
    if let Some(limit) = concurrency.get() {
        let (path, subject) =
            (format!("{place}.concurrency"), QuotaSubject::ModelConcurrency(number));
        all.push(QuotaTerms::level(&path, subject, limit as f64, "calls at once").of(name));
    }
}

impl Setup {
    /// The same with every quota lifted: what demand would use of each, if nothing held it up. The
    /// quotas are still metered.
    #[must_use]
    pub fn without_quotas(&self) -> Setup {
        let mut lifted = self.clone();
        if let RoomConfig::Elastic(room) = &mut lifted.control.room {
            *room = ElasticTerms::default();
            lifted.control.tenant_limits = false;
        }
        lifted.control.storage_quota = None;
        for tenant in &mut lifted.tenants {
            (tenant.sessions, tenant.tokens_per_day) = (None, None);
        }
        for (_, model) in &mut lifted.models {
            model.quota = Quota::default();
            if let Some(reserved) = &mut model.provisioned {
                reserved.spill_over = true;
            }
        }
        lifted
    }
}

/// A try of a model call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    /// Its prompt and output.
    pub tokens: u64,
    /// What reserved throughput is charged for it, if any is reserved.
    pub charge: Option<u64>,
    /// Whether that serves it.
    pub reserved: bool,
    /// The limits that refused it.
    pub refused: Option<Limits>,
}

/// What was taken of the rates, as long as it is in their windows.
#[derive(Debug, Default)]
pub(super) struct Windows(Vec<VecDeque<(Time, u64)>>);

impl Windows {
    pub fn new(quotas: usize) -> Self {
        Windows((0..quotas).map(|_| VecDeque::new()).collect())
    }

    /// Lets go of what is older than the window.
    fn expire(&mut self, quota: usize, window: Span, now: Time, recorder: &mut Recorder) {
        let taken = &mut self.0[quota];
        while let Some((at, amount)) = taken.front().copied()
            && at + window <= now
        {
            taken.pop_front();
            recorder.used(quota, at + window, -(amount as i64));
        }
    }
}

impl<X: Executor> Conduct<X> {
    /// Windows are brought up to the instant at which the measure begins.
    pub(super) fn expire_windows(&mut self, now: Time) {
        for (number, terms) in self.setup.quotas.iter().enumerate() {
            if let Some(window) = terms.window {
                let window = window.compressed(self.setup.compression);
                self.windows.expire(number, window, now, &mut self.recorder);
            }
        }
    }

    /// So much is taken of a rate.
    fn take_of(&mut self, now: Time, number: usize, amount: u64) {
        let Some(window) = self.setup.quotas[number].window else { return };
        let window = window.compressed(self.setup.compression);
        self.windows.expire(number, window, now, &mut self.recorder);
        self.windows.0[number].push_back((now, amount));
        self.recorder.used(number, now, amount as i64);
    }

    /// A slot of this class is held, or given back.
    pub(super) fn note_slot(&mut self, class: ClassId, sign: i64) {
        if self.setup.quotas.is_empty() {
            return;
        }
        let now = self.recorder.now();
        let terms = &self.setup.classes[usize::from(class.0)];
        for (number, quota) in self.setup.quotas.iter().enumerate() {
            let delta = match quota.subject {
                QuotaSubject::Sandboxes => 1,
                QuotaSubject::TenantSandboxes(tenant) if tenant == terms.tenant => 1,
                QuotaSubject::Vcpu => terms.micro_vcpu,
                QuotaSubject::Memory => terms.reserved.0 as i64,
                _ => continue,
            };
            self.recorder.used(number, now, sign * delta);
        }
    }

    /// A boot or restore is granted: it takes its tokens.
    pub(super) fn note_create(&mut self, now: Time, class: ClassId) {
        let tenant = self.setup.classes[usize::from(class.0)].tenant;
        for number in 0..self.setup.quotas.len() {
            match self.setup.quotas[number].subject {
                QuotaSubject::Creates => self.take_of(now, number, 1),
                QuotaSubject::TenantCreates(own) if own == tenant => self.take_of(now, number, 1),
                _ => {}
            }
        }
    }

    /// A request for a slot came to the platform's quotas, one of which may have held it up.
    pub(super) fn note_request(&mut self, class: ClassId, held_up_by: Option<HeldUpBy>) {
        let tenant = self.setup.classes[usize::from(class.0)].tenant;
        for (number, quota) in self.setup.quotas.iter().enumerate() {
            let by = match quota.subject {
                QuotaSubject::Sandboxes => HeldUpBy::Sandboxes,
                QuotaSubject::Vcpu => HeldUpBy::Vcpu,
                QuotaSubject::Memory => HeldUpBy::Memory,
                QuotaSubject::Creates => HeldUpBy::Creates,
                QuotaSubject::Storage => HeldUpBy::Storage,
                QuotaSubject::TenantSandboxes(own) if own == tenant => HeldUpBy::TenantSandboxes,
                QuotaSubject::TenantCreates(own) if own == tenant => HeldUpBy::TenantCreates,
                _ => continue,
            };
            self.recorder.asked(number, held_up_by == Some(by));
        }
    }

    /// A try of a model call was let in or refused.
    pub(super) fn note_try(&mut self, now: Time, model: u16, made: Try) {
        let Try { tokens, charge, reserved, refused } = made;
        let by = refused.unwrap_or_default();
        for number in 0..self.setup.quotas.len() {
            let (amount, held_up) = match self.setup.quotas[number].subject {
                QuotaSubject::ModelReserved(of) if of == model => {
                    (charge.unwrap_or_default(), by.reserved)
                }
                // What is reserved takes nothing of the limits of pay-as-you-go.
                _ if reserved => continue,
                QuotaSubject::ModelRequests(of) if of == model => (1, by.requests),
                QuotaSubject::ModelTokens(of) if of == model => (tokens, by.tokens),
                QuotaSubject::ModelConcurrency(of) if of == model => (1, by.concurrency),
                _ => continue,
            };
            self.recorder.asked(number, held_up);
            if refused.is_none() {
                if self.setup.quotas[number].window.is_some() {
                    self.take_of(now, number, amount);
                } else {
                    self.recorder.used(number, now, 1);
                }
            }
        }
    }

    /// A try that pay-as-you-go let in ended.
    pub(super) fn end_try(&mut self, model: u16) {
        self.endpoints[usize::from(model)].ended();
        let now = self.recorder.now();
        if let Some(number) = self.setup.quota_on(QuotaSubject::ModelConcurrency(model)) {
            self.recorder.used(number, now, -1);
        }
    }
}

impl Setup {
    /// The number of the quota on a subject, if the scenario sets one.
    pub fn quota_on(&self, subject: QuotaSubject) -> Option<usize> {
        self.quotas.iter().position(|quota| quota.subject == subject)
    }
}
