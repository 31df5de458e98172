//! What single operations of a live run took: raw material of calibration, and `samples.csv` of its
//! results.

use serde::{Deserialize, Serialize};

use crate::drive::runtime::StartStages;
use crate::units::{Bytes, Cores, Span};

/// One successful boot, restore or snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationSample {
    /// Number of the session that it was for, in the order of arrival.
    pub session: u64,
    /// Boots and restores under way when a boot or restore began, itself counted; 1 for a snapshot.
    pub in_flight: u32,
    /// From its intended begin until the platform was done; the driver's own checks left out.
    pub took: Span,
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
    /// Tool calls.
    pub tools: Vec<ToolSample>,
}

/// A row of `samples.csv`: what an operation does not have is empty. Times in seconds.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    stage: String,
    session: u64,
    in_flight: Option<u32>,
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
}

impl Row {
    fn operation(stage: &str, sample: &OperationSample) -> Row {
        let stages = (stage != "snapshot").then_some(sample.stages);
        Row {
            stage: stage.to_owned(),
            session: sample.session,
            in_flight: (stage != "snapshot").then_some(sample.in_flight),
            took_s: sample.took.seconds(),
            bytes: (stage != "boot").then_some(sample.bytes.0),
            cpu_s: None,
            cores: None,
            io_s: None,
            service_s: None,
            computing_s: None,
            waiting_s: None,
            image_s: stages.map(|stages| stages.image.seconds()),
            boot_s: stages.map(|stages| stages.boot.seconds()),
            guest_s: stages.map(|stages| stages.guest.seconds()),
            first: None,
        }
    }

    fn tool(sample: &ToolSample) -> Row {
        Row {
            stage: "exec".to_owned(),
            session: sample.session,
            in_flight: None,
            took_s: sample.took.seconds(),
            bytes: None,
            cpu_s: Some(sample.cpu.seconds()),
            cores: Some(sample.cores.0),
            io_s: Some(sample.io.seconds()),
            service_s: Some(sample.service.seconds()),
            computing_s: Some(sample.computing.seconds()),
            waiting_s: Some(sample.waiting.seconds()),
            image_s: None,
            boot_s: None,
            guest_s: None,
            first: Some(sample.first),
        }
    }

    fn as_operation(&self) -> OperationSample {
        let span = |seconds: Option<f64>| Span::from_seconds(seconds.unwrap_or(0.0));
        OperationSample {
            session: self.session,
            in_flight: self.in_flight.unwrap_or(1),
            took: Span::from_seconds(self.took_s),
            bytes: Bytes(self.bytes.unwrap_or(0)),
            stages: StartStages {
                image: span(self.image_s),
                boot: span(self.boot_s),
                guest: span(self.guest_s),
            },
        }
    }

    fn as_tool(&self) -> ToolSample {
        let span = |seconds: Option<f64>| Span::from_seconds(seconds.unwrap_or(0.0));
        ToolSample {
            session: self.session,
            cpu: span(self.cpu_s),
            cores: Cores(self.cores.unwrap_or(1.0)),
            io: span(self.io_s),
            took: Span::from_seconds(self.took_s),
            service: span(self.service_s),
            computing: span(self.computing_s),
            waiting: span(self.waiting_s),
            first: self.first.unwrap_or(false),
        }
    }
}

impl Samples {
    /// The name of their file in a directory of results.
    pub const FILE: &'static str = "samples.csv";

    /// Writes them as a table, one row an operation.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, out: impl std::io::Write) -> Result<(), csv::Error> {
        let mut table = csv::Writer::from_writer(out);
        let operations =
            [("boot", &self.boots), ("restore", &self.restores), ("snapshot", &self.snapshots)];
        for (stage, samples) in operations {
            for sample in samples {
                table.serialize(Row::operation(stage, sample))?;
            }
        }
        for sample in &self.tools {
            table.serialize(Row::tool(sample))?;
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
                "exec" => samples.tools.push(row.as_tool()),
                other => {
                    let text = format!(
                        "unknown stage `{other}`: expected boot, restore, snapshot or exec"
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
            took: span(123_456_789 + session),
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
            tools: vec![ToolSample {
                session: 1,
                cpu: span(10),
                cores: Cores(0.5),
                io: span(7),
                took: span(40),
                service: span(30),
                computing: span(20),
                waiting: span(9),
                first: true,
            }],
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
