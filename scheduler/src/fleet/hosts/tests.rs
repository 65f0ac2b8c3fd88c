//! What is known of a host's pace.

use ostler_job::{HostId, Span};

use super::{Hosts, SERVICE_MAX};

#[test]
fn a_hosts_pace_is_soon_believed_to_be_worse_and_slowly_to_be_better() {
    let mut hosts = Hosts::default();
    let at = hosts.enter(HostId(7));
    let mut after = |served: Option<u64>| {
        hosts.count_taken(at);
        hosts.count_released(at, served.map(Span));
        hosts.host(at).service
    };
    assert_eq!(after(Some(1_000)), 500, "half of the way up");
    assert_eq!(after(Some(900)), 700);
    assert_eq!(after(Some(300)), 650, "an eighth of the way down");
    assert_eq!(after(None), 1_300, "twice by a job that came back");
    assert_eq!(after(Some(1_300)), 1_300);
    assert_eq!((0..99).map(|_| after(None)).last(), Some(SERVICE_MAX));
}
