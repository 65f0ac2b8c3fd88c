//! Children serve, whatever becomes of the gateway.

use ostler_wire::Kind;

use crate::{gateway::Gateway, runner::Place};

#[test]
fn a_ready_child_serves_on_the_lane_that_the_gateway_is_given() {
    let place = Place::new();
    let gateway = Gateway::listen(&place.path("gateway.sock"));
    let _runner = place.start(&place.config());
    let mut link = gateway.accept();
    let mut lane = link.lane();
    assert_eq!(lane.get("/", ""), "hello");
    assert_eq!(lane.get("/pid", ""), lane.pid.to_string());
    link.expect(Kind::App, |f| f.header.code == 1);
}

#[test]
fn children_outlive_the_gateway_and_serve_the_next_one() {
    let place = Place::new();
    let socket = place.path("gateway.sock");
    let gateway = Gateway::listen(&socket);
    let _runner = place.start(&place.config());
    let mut first = gateway.accept();
    let mut lane = first.lane();
    assert_eq!(lane.get("/", ""), "hello");
    let (child, pid) = (lane.child, lane.pid);
    drop((gateway, first, lane));
    let gateway = Gateway::listen(&socket);
    let mut lane = gateway.accept().lane();
    assert_eq!((lane.child, lane.pid), (child, pid));
    assert_eq!(lane.get("/pid", ""), pid.to_string());
}
