//! Sends clients elsewhere, for routes that say `to = "redirect:…"`.

use http::{HeaderValue, StatusCode, header};

use crate::request::{Answered, Answering, Refusal, Reply, RoutedRequest, Target};

/// See the module.
#[derive(Debug)]
pub(super) struct Redirect {
    pub(super) status: u16,
    /// With `$host` and `$uri` for what the client asked for.
    pub(super) location: String,
}

impl Target for Redirect {
    fn answer<'a>(&'a self, request: RoutedRequest<'a>) -> Answering<'a> {
        Box::pin(std::future::ready(self.reply(&request)))
    }
}

impl Redirect {
    fn reply(&self, RoutedRequest { head, parts, .. }: &RoutedRequest<'_>) -> Answered {
        if head.host.is_empty() && self.location.contains("$host") {
            let reason = "no Host, and the redirect needs one";
            return Err(Refusal::malformed(StatusCode::BAD_REQUEST, reason));
        }
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let target = self.location.trim().replace("$host", &head.host).replace("$uri", path);
        let mut reply = Reply::fixed(self.status, "");
        match HeaderValue::try_from(target) {
            Ok(value) => reply.headers.insert(header::LOCATION, value),
            Err(_) => return Ok(Reply::fixed(500, "the redirect's location cannot be sent\n")),
        };
        Ok(reply)
    }
}
