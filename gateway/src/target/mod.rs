//! What routes lead to: one file for each kind, made from the config by [`build`], which is the one place that knows all of them.
//!
//! A target is a [`request::Target`](crate::request::Target). It deliberately lacks what is the same for all: heads are checked,
//! limits watched, replies sent, and ends logged and counted by the request's way, which knows none of the targets.

mod api;
mod app;
mod redirect;
mod respond;

use std::sync::Arc;

pub(crate) use self::app::request_frame;
use ostler_api::ApiService;
use ostler_pool::Pools;

use self::{api::Api, app::App, redirect::Redirect, respond::Respond};
use crate::{config, request::Target};

/// What a route says where it leads.
pub(crate) fn build(
    to: &config::TargetConfig,
    pools: &Pools,
    service: &Arc<ApiService>,
) -> Box<dyn Target> {
    match to {
        config::TargetConfig::App(app) => {
            let pool = pools.get(app).expect("the config names only apps it has");
            Box::new(App { pool: pool.clone() })
        }
        config::TargetConfig::Redirect(status, location) => {
            Box::new(Redirect { status: *status, location: location.clone() })
        }
        config::TargetConfig::Respond(status, text) => {
            Box::new(Respond { status: *status, text: text.clone() })
        }
        config::TargetConfig::Api => Box::new(Api { service: service.clone() }),
    }
}
