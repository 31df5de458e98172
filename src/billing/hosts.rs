//! What hosts cost while they are up, by what holds their memory.

use super::line::{Part, Price, Sheet};
use super::price::Rates;
use super::usage::{HostLedger, Usage};
use crate::units::Quantity;

/// Adds the lines of hosts; what is paid for memory that no sandbox held.
pub(super) fn lines(usage: &Usage, rates: &Rates, sheet: &mut Sheet) -> f64 {
    let mut unreserved = 0.0;
    for (kind, used) in &usage.hosts {
        let Some(card) = rates.hosts.get(kind) else { continue };
        let key = match kind.as_str() {
            crate::scenario::types::DEFAULT_HOST_TYPE => "platform.capacity.hosts.price".to_owned(),
            kind => format!("platform.capacity.hosts.{kind}.price"),
        };
        let price = Price::hourly(key, card.price.base(), "host-h");
        unreserved += of_type(kind, used, &price, sheet);
        if card.bill_boot {
            let what = format!("hosts {kind} while booting");
            sheet.add(Part::Compute, what, used.boot_seconds, &price, "`bill_boot`");
        }
    }
    unreserved
}

fn of_type(kind: &str, used: &HostLedger, price: &Price, sheet: &mut Sheet) -> f64 {
    let share = |bytes: f64| if used.memory_bytes > 0.0 { bytes / used.memory_bytes } else { 0.0 };
    let [reserved, idle, pool] =
        [used.reserved_byte_seconds, used.idle_byte_seconds, used.pool_byte_seconds].map(share);
    let rule = "up time, by memory reserved over memory promised";
    let what = |part: &str| format!("hosts {kind}, {part}");
    sheet.add(Part::Compute, what("memory in use"), reserved - idle - pool, price, rule);
    sheet.add_idle(what("memory of idle sandboxes"), idle, price, rule);
    sheet.add(Part::Pool, what("memory of the pool"), pool, price, rule);
    sheet.add(Part::Compute, what("memory not reserved"), used.up_seconds - reserved, price, rule)
}
