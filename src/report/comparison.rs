//! Traditional computing against the platform, as a table.

use super::number::{percent, three, with_spread};
use super::table::{Table, text};
use crate::boundary::Unit;
use crate::measure::record::{ComparisonRecord, Run, SideRecord, StartRecord, StateRecord};

/// The five dimensions, a row each.
pub(super) fn comparison(run: &Run) -> Option<Table> {
    let ComparisonRecord { against, replications, traditional, platform } =
        run.comparison.as_deref()?;
    let heads = vec![text("dimension"), text("traditional computing"), text("this platform")];
    let mut table =
        Table::new(format!("Traditional computing ({against}) against the platform"), heads);
    type Told = fn(&SideRecord) -> String;
    let rows: [(&str, Told); 5] = [
        ("isolation", isolation),
        ("cold start", |side| cold_start(&side.cold_start)),
        ("idle cost", idle_cost),
        ("persistence", |side| persistence(&side.state)),
        ("identity", identity),
    ];
    for (dimension, told) in rows {
        table.row([dimension.into(), told(traditional).into(), told(platform).into()]);
    }
    table.notes.push(format!(
        "both simulated under the same sessions and draws, traditional computing {replications} times; cv: standard \
         deviation over mean; idle cost: idle sandboxes, pools, storage, in money also hosts that stand empty"
    ));
    Some(table)
}

fn isolation(side: &SideRecord) -> String {
    match side.sandboxes_per_host {
        Some(n) => format!("{}, {} on a host that sessions share", side.isolation, three(n)),
        None => format!("{}, one for each session", side.isolation),
    }
}

fn cold_start(starts: &StartRecord) -> String {
    let (Some(mean), Some(p99)) = (starts.mean, starts.p99) else { return "none".to_owned() };
    let cv = starts.cv.map(|cv| format!(", cv {}", three(cv))).unwrap_or_default();
    format!("mean {} s{cv}, p99 {} s", with_spread(mean, starts.mean_ci95), three(p99))
}

fn idle_cost(side: &SideRecord) -> String {
    let (Some(share), Some(day)) = (side.idle_cost_share, side.idle_cost_per_day) else {
        return "no prices".to_owned();
    };
    format!("{} of tco, {} a day", percent(share), Unit::Money.show(day))
}

fn persistence(state: &StateRecord) -> String {
    let StateRecord { keeps, returns, found, recovery_p95 } = state;
    let found = match found {
        Some(found) => {
            let back = recovery_p95.map(|p95| format!(", back in {} s (p95)", three(p95)));
            let back = back.filter(|_| *found > 0.0).unwrap_or_default();
            format!("{} of {} returns find it{back}", percent(*found), three(*returns))
        }
        None => "nobody came back to one that was let go".to_owned(),
    };
    format!("keeps {keeps}: {found}")
}

fn identity(side: &SideRecord) -> String {
    match &side.identity {
        Some(per) => {
            format!("each {per} its own, {} issued a session", three(side.identities_per_session))
        }
        None => "none of their own: all sessions act as one".to_owned(),
    }
}
