//! Model endpoints: admission by requests, tokens and concurrency, and the latency formula.
//!
//! The simulator and the driver ask the same code: in a live run it is the stub that model calls
//! wait for, and the record names it so.

use crate::control::Bucket;
use crate::dist::Dist;
use crate::random::{Draws, Purpose};
use crate::scenario::types::{Latency, Model, Provisioned};
use crate::units::{Count, Limit, Rate, Span, Time};
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
        /// Tokens that reserved throughput is charged for it; `None` where pay-as-you-go serves it.
        reserved: Option<u64>,
    },
    /// A limit is used up. It took no time and cost nothing.
    Refused {
        /// When the limits could serve it; zero where they do not say.
        retry_after: Span,
        /// Which are used up.
        by: Limits,
    },
    /// It is larger than a limit's bucket and can never be served.
    TooLarge {
        /// Which bucket.
        by: Limits,
    },
}

/// Limits of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests per time.
    pub requests: bool,
    /// Tokens per time.
    pub tokens: bool,
    /// Calls at once.
    pub concurrency: bool,
    /// Reserved throughput from which nothing spills over.
    pub reserved: bool,
}

impl Limits {
    fn any(self) -> bool {
        self.requests || self.tokens || self.concurrency || self.reserved
    }
}

/// One model's endpoint.
#[derive(Debug)]
pub struct Endpoint {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    concurrency: Limit,
    in_flight: u64,
    reserved: Option<Reserved>,
    formula: Option<Formula>,
    error_rate: f64,
    compression: f64,
    seed: u64,
    replication: u16,
}

/// Throughput that is reserved.
#[derive(Debug)]
struct Reserved {
    bucket: Bucket,
    output_weight: Count,
    cached_weight: Count,
    spill_over: bool,
}

impl Reserved {
    fn new(terms: &Provisioned, compression: f64) -> Self {
        let limit = Rate::new(terms.per_minute(), Span::from_secs(60));
        Reserved {
            bucket: Bucket::new(limit, Some(terms.window), compression),
            output_weight: terms.output_weight,
            cached_weight: terms.cached_weight,
            spill_over: terms.spill_over,
        }
    }

    /// Tokens that a call is charged, rounded half up.
    fn charge(&self, request: &Request) -> u64 {
        let cached = request.cached as f64 * self.cached_weight.0;
        let output = request.output as f64 * self.output_weight.0;
        (request.prompt - request.cached) + (cached + output + 0.5) as u64
    }
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
            reserved: model.provisioned.as_ref().map(|terms| Reserved::new(terms, compression)),
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

    /// Tokens that reserved throughput would be charged for an attempt; `None` where none is reserved.
    pub fn charge(&self, request: &Request) -> Option<u64> {
        Some(self.reserved.as_ref()?.charge(request))
    }

    /// An attempt asks to be let in at `now`: first of all to what is reserved.
    pub fn submit(&mut self, now: Time, request: &Request) -> Answer {
        if let Some(reserved) = &mut self.reserved {
            let charge = reserved.charge(request);
            match reserved.bucket.take(now, charge) {
                Ok(()) => return self.admit(request, Some(charge)),
                Err(_) if reserved.spill_over => {}
                Err(later) => {
                    let by = Limits { reserved: true, ..Limits::default() };
                    return match later {
                        Some(at) => Answer::Refused { retry_after: at.since(now), by },
                        None => Answer::TooLarge { by },
                    };
                }
            }
        }
        self.pay_as_you_go(now, request)
    }

    fn pay_as_you_go(&mut self, now: Time, request: &Request) -> Answer {
        let tokens = request.prompt + request.output;
        let lacks =
            |bucket: &Option<Bucket>, need| bucket.as_ref().is_some_and(|b| !b.can_hold(need));
        let by = Limits {
            requests: lacks(&self.requests, 1),
            tokens: lacks(&self.tokens, tokens),
            ..Limits::default()
        };
        if by.any() {
            return Answer::TooLarge { by };
        }
        if let Some((retry_after, by)) = self.refusal(now, tokens) {
            return Answer::Refused { retry_after, by };
        }
        for (bucket, need) in [(&mut self.requests, 1), (&mut self.tokens, tokens)] {
            if let Some(bucket) = bucket {
                bucket.take(now, need).expect("the bucket was just seen to hold it");
            }
        }
        self.in_flight += 1;
        self.admit(request, None)
    }

    /// What becomes of an attempt that is let in.
    fn admit(&self, request: &Request, reserved: Option<u64>) -> Answer {
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
        Answer::Admitted { ttft, takes, fails, reserved }
    }

    /// An attempt that pay-as-you-go let in ended.
    pub fn ended(&mut self) {
        self.in_flight -= 1;
    }

    fn refusal(&mut self, now: Time, tokens: u64) -> Option<(Span, Limits)> {
        let ready = |bucket: &mut Option<Bucket>, need| {
            bucket.as_mut().and_then(|b| b.ready_at(now, need)).unwrap_or(now)
        };
        let (requests, tokens) = (ready(&mut self.requests, 1), ready(&mut self.tokens, tokens));
        let by = Limits {
            requests: requests > now,
            tokens: tokens > now,
            concurrency: !self.concurrency.allows(self.in_flight),
            reserved: false,
        };
        by.any().then(|| (requests.max(tokens).since(now), by))
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
