//! What single operations and turns of a live run took: raw material of calibration, what its
//! predictions are held against, and `samples.csv` of its results.

use serde::{Deserialize, Serialize};

use crate::dist::rounded;
use crate::drive::runtime::StartStages;
use crate::measure::TurnSample;
use crate::units::{Bytes, Cores, Span};

/// One successful boot, restore, snapshot or destruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperationSample {
    /// Number of the session that it was for, in the order of arrival.
    pub session: u64,
    /// Boots and restores under way when a boot or restore began, itself counted; 1 for a snapshot.
    pub in_flight: u32,
    /// Operations of all kinds under way when it was asked for, itself counted; waiting ones too.
    pub under_way: u32,
    /// Other operations at work, in the mean over the time that it lasted: each counts by the share of
    /// its time that it is expected to keep a core.
    pub others: f64,
    /// The share of that time with more operations at work than the machine has cores.
    pub crowded: f64,
    /// From its intended begin until what it is for was there; the driver's own checks left out.
    pub took: Span,
    /// Until it was over: a snapshot is stored before its sandbox is gone. None in tables of older runs.
    pub lasted: Option<Span>,
    /// CPU time of the whole machine until it was over, in the kernel's ticks; none if anything else was
    /// under way at any time.
    pub busy: Option<Span>,
    /// Size in the store, for restores and snapshots.
    pub bytes: Bytes,
    /// The parts of a boot or restore; what `took` is more is waiting for the driver or the machine.
    pub stages: StartStages,
}

/// One tool call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToolSample {
    /// Number of the session that called.
    pub session: u64,
    /// Operations of all kinds under way when it was asked for, itself counted; waiting ones too.
    pub under_way: u32,
    /// Other operations at work, in the mean over its time.
    pub others: f64,
    /// The share of its time with more operations at work than the machine has cores.
    pub crowded: f64,
    /// CPU time planned, on the reference core.
    pub cpu: Span,
    /// Cores it could use: the fewer of its own and its sandbox's.
    pub cores: Cores,
    /// I/O wait planned.
    pub io: Span,
    /// Response time: from its intended begin until the driver had the answer.
    pub took: Span,
    /// Service time, as the guest saw it.
    pub service: Span,
    /// The computing part of it.
    pub computing: Span,
    /// The waiting part of it.
    pub waiting: Span,
    /// CPU time of the whole machine until it was over, as of an operation.
    pub busy: Option<Span>,
    /// The first call of its sandbox since that booted or came back.
    pub first: bool,
}

/// All operations of a live run, in the order in which they ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Boots.
    pub boots: Vec<OperationSample>,
    /// Restores.
    pub restores: Vec<OperationSample>,
    /// Snapshots.
    pub snapshots: Vec<OperationSample>,
    /// Destructions of sandboxes.
    pub destroys: Vec<OperationSample>,
    /// Tool calls.
    pub tools: Vec<ToolSample>,
    /// Finished turns.
    pub turns: Vec<TurnSample>,
}

/// A row of `samples.csv`: what an operation does not have is empty. Times in seconds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Row {
    stage: String,
    session: u64,
    in_flight: Option<u32>,
    under_way: Option<u32>,
    took_s: f64,
    bytes: Option<u64>,
    cpu_s: Option<f64>,
    cores: Option<f64>,
    io_s: Option<f64>,
    service_s: Option<f64>,
    computing_s: Option<f64>,
    waiting_s: Option<f64>,
    image_s: Option<f64>,
    boot_s: Option<f64>,
    guest_s: Option<f64>,
    first: Option<bool>,
    platform_s: Option<f64>,
    lasted_s: Option<f64>,
    busy_s: Option<f64>,
    others: Option<f64>,
    crowded: Option<f64>,
}

impl Row {
    fn operation(stage: &str, sample: &OperationSample) -> Row {
        let is_start = matches!(stage, "boot" | "restore");
        let stages = is_start.then_some(sample.stages);
        Row {
            stage: stage.to_owned(),
            session: sample.session,
            in_flight: is_start.then_some(sample.in_flight),
            under_way: Some(sample.under_way),
            took_s: sample.took.seconds(),
            bytes: matches!(stage, "restore" | "snapshot").then_some(sample.bytes.0),
            image_s: stages.map(|stages| stages.image.seconds()),
            boot_s: stages.map(|stages| stages.boot.seconds()),
            guest_s: stages.map(|stages| stages.guest.seconds()),
            lasted_s: sample.lasted.map(Span::seconds),
            busy_s: sample.busy.map(Span::seconds),
            others: Some(rounded(sample.others)),
            crowded: Some(rounded(sample.crowded)),
            ..Row::default()
        }
    }

    fn turn(sample: &TurnSample) -> Row {
        Row {
            stage: "turn".to_owned(),
            session: sample.session,
            took_s: sample.length.seconds(),
            platform_s: Some(sample.platform_time.seconds()),
            ..Row::default()
        }
    }

    fn tool(sample: &ToolSample) -> Row {
        Row {
            stage: "exec".to_owned(),
            session: sample.session,
            under_way: Some(sample.under_way),
            took_s: sample.took.seconds(),
            cpu_s: Some(sample.cpu.seconds()),
            cores: Some(sample.cores.0),
            io_s: Some(sample.io.seconds()),
            service_s: Some(sample.service.seconds()),
            computing_s: Some(sample.computing.seconds()),
            waiting_s: Some(sample.waiting.seconds()),
            first: Some(sample.first),
            busy_s: sample.busy.map(Span::seconds),
            others: Some(rounded(sample.others)),
            crowded: Some(rounded(sample.crowded)),
            ..Row::default()
        }
    }

    fn as_operation(&self) -> OperationSample {
        let span = |seconds: Option<f64>| Span::from_seconds(seconds.unwrap_or(0.0));
        OperationSample {
            session: self.session,
            in_flight: self.in_flight.unwrap_or(1),
            under_way: self.under_way.unwrap_or(1),
            // Older runs kept only what was under way at the begin.
            others: self.others.unwrap_or_else(|| f64::from(self.under_way.unwrap_or(1)) - 1.0),
            crowded: self.crowded.unwrap_or(0.0),
            took: Span::from_seconds(self.took_s),
            lasted: self.lasted_s.map(Span::from_seconds),
            busy: self.busy_s.map(Span::from_seconds),
            bytes: Bytes(self.bytes.unwrap_or(0)),
            stages: StartStages {
                image: span(self.image_s),
                boot: span(self.boot_s),
                guest: span(self.guest_s),
            },
        }
    }

    fn as_turn(&self) -> TurnSample {
        TurnSample {
            session: self.session,
            length: Span::from_seconds(self.took_s),
            platform_time: Span::from_seconds(self.platform_s.unwrap_or(0.0)),
        }
    }

    fn as_tool(&self) -> ToolSample {
        let span = |seconds: Option<f64>| Span::from_seconds(seconds.unwrap_or(0.0));
        ToolSample {
            session: self.session,
            under_way: self.under_way.unwrap_or(1),
            // Older runs kept only what was under way at the begin.
            others: self.others.unwrap_or_else(|| f64::from(self.under_way.unwrap_or(1)) - 1.0),
            crowded: self.crowded.unwrap_or(0.0),
            cpu: span(self.cpu_s),
            cores: Cores(self.cores.unwrap_or(1.0)),
            io: span(self.io_s),
            took: Span::from_seconds(self.took_s),
            service: span(self.service_s),
            computing: span(self.computing_s),
            waiting: span(self.waiting_s),
            busy: self.busy_s.map(Span::from_seconds),
            first: self.first.unwrap_or(false),
        }
    }
}

impl Samples {
    /// The name of their file in a directory of results.
    pub const FILE: &'static str = "samples.csv";

    /// Writes them as a table, one row an operation or turn.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, out: impl std::io::Write) -> Result<(), csv::Error> {
        let mut table = csv::Writer::from_writer(out);
        let operations = [
            ("boot", &self.boots),
            ("restore", &self.restores),
            ("snapshot", &self.snapshots),
            ("destroy", &self.destroys),
        ];
        for (stage, samples) in operations {
            for sample in samples {
                table.serialize(Row::operation(stage, sample))?;
            }
        }
        for sample in &self.tools {
            table.serialize(Row::tool(sample))?;
        }
        for sample in &self.turns {
            table.serialize(Row::turn(sample))?;
        }
        table.flush()?;
        Ok(())
    }

    /// Reads what [`Samples::write`] wrote.
    ///
    /// # Errors
    /// If it is no such table; the error has the line.
    pub fn read(text: impl std::io::Read) -> Result<Samples, csv::Error> {
        let mut samples = Samples::default();
        for row in csv::Reader::from_reader(text).deserialize() {
            let row: Row = row?;
            match row.stage.as_str() {
                "boot" => samples.boots.push(row.as_operation()),
                "restore" => samples.restores.push(row.as_operation()),
                "snapshot" => samples.snapshots.push(row.as_operation()),
                "destroy" => samples.destroys.push(row.as_operation()),
                "exec" => samples.tools.push(row.as_tool()),
                "turn" => samples.turns.push(row.as_turn()),
                other => {
                    let text = format!(
                        "unknown stage `{other}`: expected boot, restore, snapshot, destroy, exec or turn"
                    );
                    return Err(std::io::Error::other(text).into());
                }
            }
        }
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let span = Span::from_nanos;
        let operation = |session, in_flight, bytes| OperationSample {
            session,
            in_flight,
            under_way: in_flight + 2,
            others: 0.5,
            crowded: 0.25,
            took: span(123_456_789 + session),
            lasted: Some(span(223_456_789 + session)),
            busy: (session == 1).then_some(span(20_000_000)),
            bytes: Bytes(bytes),
            stages: StartStages { image: span(5), boot: span(6 + session), guest: span(7) },
        };
        let samples = Samples {
            boots: vec![operation(0, 3, 0), operation(1, 1, 0)],
            restores: vec![operation(2, 2, 4096)],
            snapshots: vec![OperationSample {
                stages: StartStages::default(),
                ..operation(2, 1, 4096)
            }],
            destroys: vec![OperationSample {
                stages: StartStages::default(),
                ..operation(3, 1, 0)
            }],
            tools: vec![ToolSample {
                session: 1,
                under_way: 4,
                others: 1.5,
                crowded: 1.0,
                cpu: span(10),
                cores: Cores(0.5),
                io: span(7),
                took: span(40),
                service: span(30),
                computing: span(20),
                waiting: span(9),
                busy: Some(span(10_000_000)),
                first: true,
            }],
            turns: vec![TurnSample { session: 1, length: span(70), platform_time: span(41) }],
        };
        let mut text = Vec::new();
        samples.write(&mut text).unwrap();
        assert_eq!(Samples::read(text.as_slice()).unwrap(), samples);
        let empty = Samples::read(&b""[..]).unwrap();
        assert_eq!(empty, Samples::default());
    }

    #[test]
    fn a_broken_table_is_refused_with_its_line() {
        let head =
            "stage,session,in_flight,took_s,bytes,cpu_s,cores,io_s,service_s,computing_s,waiting_s";
        let wrong = format!("{head}\nboot,0,1,soon,,,,,,,\n");
        let error = Samples::read(wrong.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line: 2") && error.contains("field 3"), "{error}");
        let stage = format!("{head}\nnap,0,1,1.5,,,,,,,\n");
        assert!(Samples::read(stage.as_bytes()).unwrap_err().to_string().contains("`nap`"));
    }
}
