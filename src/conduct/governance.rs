//! Governance: policy checks, identities, tenants' quotas.

use super::Conduct;
use super::executor::Executor;
use super::quotas::QuotaSubject;
use super::setup::PolicyTerms;
use crate::measure::Counter;
use crate::random::{Draws, Purpose};
use crate::scenario::types::{IdentityPer, PolicyPoint};
use crate::units::{Span, Time};
use crate::workload::plan::ClassId;

/// A day of virtual time.
const DAY: Span = Span::from_secs(86_400);

/// What a tenant has used of its quotas.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TenantUse {
    open: u64,
    day: u64,
    tokens: u64,
}

impl<X: Executor> Conduct<X> {
    /// A session of the class comes to its tenant's quota; whether there is room.
    pub(super) fn let_in(&mut self, class: ClassId) -> bool {
        let tenant = self.setup.tenant_of(class);
        let used = &mut self.tenants[tenant];
        used.open += 1;
        let fits = self.setup.tenants[tenant].sessions.is_none_or(|quota| used.open <= quota);
        if let Some(number) = self.setup.quota_on(QuotaSubject::TenantSessions(tenant as u16)) {
            self.recorder.asked(number, !fits);
            self.recorder.used(number, self.recorder.now(), 1);
        }
        fits
    }

    pub(super) fn let_out(&mut self, class: ClassId) {
        let tenant = self.setup.tenant_of(class);
        self.tenants[tenant].open -= 1;
        if let Some(number) = self.setup.quota_on(QuotaSubject::TenantSessions(tenant as u16)) {
            self.recorder.used(number, self.recorder.now(), -1);
        }
    }

    /// A call's whole input and planned output are charged to its tenant's day, when it first goes to
    /// the provider; false, and nothing is charged, if they would pass the quota.
    pub(super) fn spend_tokens(&mut self, now: Time, class: ClassId, tokens: u64) -> bool {
        let tenant = self.setup.tenant_of(class);
        let Some(number) = self.setup.quota_on(QuotaSubject::TenantTokens(tenant as u16)) else {
            return true;
        };
        let quota = self.setup.tenants[tenant].tokens_per_day;
        let day = now.nanos() / DAY.compressed(self.setup.compression).nanos();
        let used = &mut self.tenants[tenant];
        if used.day != day {
            self.recorder.used(number, now, -(used.tokens as i64));
            (used.day, used.tokens) = (day, 0);
        }
        let fits = quota.is_none_or(|quota| used.tokens + tokens <= quota);
        self.recorder.asked(number, !fits);
        if fits {
            used.tokens += tokens;
            self.recorder.used(number, now, tokens as i64);
        }
        fits
    }

    /// The identity that a session gets at its arrival; how long its issue takes. Of an agent's only
    /// the first session waits for it.
    pub(super) fn first_identity(&mut self, now: Time, id: u32) -> Span {
        let Some(identity) = &self.setup.identity else { return Span::ZERO };
        match identity.per {
            IdentityPer::Session => self.issue(now, id),
            IdentityPer::Agent => {
                let class = usize::from(self.agents.get(id).session.class().0);
                if std::mem::replace(&mut self.identified[class], true) {
                    Span::ZERO
                } else {
                    self.issue(now, id)
                }
            }
        }
    }

    /// Whether a session's identity is still good; if not, how long a new one takes.
    pub(super) fn identity(&mut self, now: Time, id: u32) -> Span {
        let Some(identity) = &self.setup.identity else { return Span::ZERO };
        let (IdentityPer::Session, Some(lifetime)) = (identity.per, identity.lifetime) else {
            return Span::ZERO;
        };
        // A sub-agent shows the identity of the session that it works for.
        let id = self.agents.root(id);
        let issued = self.identified_at.get(&id).copied().unwrap_or(Time::ZERO);
        if now.since(issued) > lifetime { self.issue(now, id) } else { Span::ZERO }
    }

    fn issue(&mut self, now: Time, id: u32) -> Span {
        let identity = self.setup.identity.as_ref().expect("who issues knows how");
        let agent = self.agents.get(id);
        let (session, number) = (agent.session.number(), agent.identities);
        agent.identities = agent.identities.wrapping_add(1);
        let (seed, replication) = (self.demand.seed, self.demand.replication);
        let mut draws =
            Draws::new(seed, replication, session, Purpose::IdentityLatency, number.into());
        let takes = identity.issue.sample(&mut draws);
        if identity.lifetime.is_some() {
            self.identified_at.insert(id, now + takes);
        }
        self.recorder.count(Counter::IdentitiesIssued, 1);
        takes
    }

    /// Passes the policies at a point; the time that takes.
    pub(super) fn check(&mut self, id: u32, point: PolicyPoint) -> Span {
        let terms: &[PolicyTerms] = &self.setup.policies;
        if terms.is_empty() {
            return Span::ZERO;
        }
        let agent = self.agents.get(id);
        let mut sum = Span::ZERO;
        for policy in terms.iter().filter(|policy| policy.at == point) {
            let (demand, session) = (&self.demand, agent.session.number());
            let mut draws = Draws::new(
                demand.seed,
                demand.replication,
                session,
                Purpose::PolicyLatency,
                agent.checks,
            );
            sum += policy.latency.sample(&mut draws);
            agent.checks += 1;
            self.recorder.count(Counter::PolicyChecks, 1);
        }
        sum
    }
}
