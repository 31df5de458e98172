//! Model endpoints: admission by requests, tokens and concurrency, and the latency formula.
//!
//! The simulator and the driver ask the same code: in a live run it is the stub that model calls
//! wait for, and the record names it so.

use crate::control::Bucket;
use crate::dist::Dist;
use crate::random::{Draws, Purpose};
use crate::scenario::types::{Latency, Model};
use crate::units::{Limit, Rate, Span, Time};
use crate::workload::session::Request;

/// What an endpoint answers to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was let in.
    Admitted {
        /// Base and prefill time; `None` where the latency was recorded as a whole.
        ttft: Option<Span>,
        /// From now until the attempt ends.
        takes: Span,
        /// Whether it fails then.
        fails: bool,
    },
    /// A limit is used up. It took no time and cost nothing.
    Refused {
        /// When the limits could serve it; zero where they do not say.
        retry_after: Span,
    },
    /// It is larger than a limit's bucket and can never be served.
    TooLarge,
}

/// One model's endpoint.
#[derive(Debug)]
pub struct Endpoint {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    concurrency: Limit,
    in_flight: u64,
    formula: Option<Formula>,
    error_rate: f64,
    compression: f64,
    seed: u64,
    replication: u16,
}

#[derive(Debug)]
struct Formula {
    base: Dist<Span>,
    per_input: f64,
    per_output: f64,
}

impl Endpoint {
    /// The endpoint of a model; latencies are divided by `compression` and buckets refill that
    /// many times as fast.
    pub fn new(model: &Model, seed: u64, replication: u16, compression: f64) -> Self {
        let quota = &model.quota;
        let bucket = |limit: Limit| {
            let limit = limit.get()?;
            let per_minute = Rate::new(limit as f64, Span::from_secs(60));
            Some(Bucket::new(per_minute, Some(quota.window), compression))
        };
        Endpoint {
            requests: bucket(quota.rpm),
            tokens: bucket(quota.tpm),
            concurrency: quota.concurrency,
            in_flight: 0,
            formula: match &model.latency {
                Latency::Recorded => None,
                Latency::Formula(formula) => Some(Formula {
                    base: formula.base.clone(),
                    per_input: formula.per_input.seconds(),
                    per_output: formula.per_output.seconds(),
                }),
            },
            error_rate: (model.error_rate.0 * model.efficiency.error_rate.factor()).min(1.0),
            compression,
            seed,
            replication,
        }
    }

    /// An attempt asks to be let in at `now`.
    pub fn submit(&mut self, now: Time, request: &Request) -> Answer {
        let tokens = request.prompt + request.output;
        let holds =
            |bucket: &Option<Bucket>, need| bucket.as_ref().is_none_or(|b| b.can_hold(need));
        if !holds(&self.tokens, tokens) || !holds(&self.requests, 1) {
            return Answer::TooLarge;
        }
        if let Some(retry_after) = self.refusal(now, tokens) {
            return Answer::Refused { retry_after };
        }
        for (bucket, need) in [(&mut self.requests, 1), (&mut self.tokens, tokens)] {
            if let Some(bucket) = bucket {
                bucket.take(now, need).expect("the bucket was just seen to hold it");
            }
        }
        self.in_flight += 1;
        let fails = self.fails(request);
        let (ttft, takes) = match (fails, request.latency) {
            // A failed try takes the formula's time to first token, where there is a formula.
            (true, _) => (None, self.formula_latency(request).map_or(Span::ZERO, |(ttft, _)| ttft)),
            (false, Some(recorded)) => (None, recorded.compressed(self.compression)),
            (false, None) => match self.formula_latency(request) {
                Some((ttft, whole)) => (Some(ttft), whole),
                None => (None, Span::ZERO),
            },
        };
        Answer::Admitted { ttft, takes, fails }
    }

    /// An attempt that was let in ended.
    pub fn ended(&mut self) {
        self.in_flight -= 1;
    }

    fn refusal(&mut self, now: Time, tokens: u64) -> Option<Span> {
        let mut ready = now;
        for (bucket, need) in [(&mut self.requests, 1), (&mut self.tokens, tokens)] {
            if let Some(at) = bucket.as_mut().and_then(|b| b.ready_at(now, need)) {
                ready = ready.max(at);
            }
        }
        if ready > now || !self.concurrency.allows(self.in_flight) {
            Some(ready.since(now))
        } else {
            None
        }
    }

    /// Time to first token and whole latency, both compressed: base + uncached · per_input, and
    /// output · per_output more.
    fn formula_latency(&self, request: &Request) -> Option<(Span, Span)> {
        let formula = self.formula.as_ref()?;
        let base = match formula.base.as_constant() {
            Some(base) => base.seconds(),
            None => formula.base.sample(&mut self.draws(Purpose::ModelBase, request)).seconds(),
        };
        let prefill = base + (request.prompt - request.cached) as f64 * formula.per_input;
        let whole = prefill + request.output as f64 * formula.per_output;
        Some((
            Span::from_seconds(prefill / self.compression),
            Span::from_seconds(whole / self.compression),
        ))
    }

    fn fails(&self, request: &Request) -> bool {
        request.fails.unwrap_or_else(|| {
            self.error_rate > 0.0
                && self.draws(Purpose::ModelError, request).bernoulli(self.error_rate)
        })
    }

    fn draws(&self, purpose: Purpose, request: &Request) -> Draws {
        Draws::new(self.seed, self.replication, request.session, purpose, request.key)
    }
}
