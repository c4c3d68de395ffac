//! A provider's service on loopback.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use tiny_http::{Header, Request, Response, Server};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) url: String,
    /// The header `Authorization`, if there is one.
    pub(crate) authorization: Option<String>,
    /// What was sent.
    pub(crate) body: String,
}

/// A running service. Dropped, it stops.
pub(crate) struct Service {
    server: Arc<Server>,
    asked: Arc<Mutex<Vec<Asked>>>,
    answering: Option<JoinHandle<()>>,
}

impl Service {
    /// A service that gives the status and the body that `answer` gives; where it gives none, the service stays silent. A redirection
    /// leads to another path.
    pub(crate) fn start(answer: impl Fn(&Asked) -> Option<(u16, Vec<u8>)> + Send + 'static) -> Self {
        let server = Arc::new(Server::http((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (requests, log) = (Arc::clone(&server), Arc::clone(&asked));
        let answering = thread::spawn(move || {
            let mut unanswered: Vec<Request> = Vec::new();
            for mut request in requests.incoming_requests() {
                let mut body = String::new();
                request.as_reader().read_to_string(&mut body).unwrap();
                let header = request.headers().iter().find(|header| header.field.equiv("Authorization"));
                let authorization = header.map(|header| header.value.to_string());
                let asked = Asked { url: request.url().to_owned(), authorization, body };
                log.lock().unwrap().push(asked.clone());
                match answer(&asked) {
                    // Who does not wait for the answer gets none.
                    Some((status, body)) => {
                        let mut response = Response::from_data(body).with_status_code(status);
                        if (300..400).contains(&status) {
                            response.add_header(Header::from_bytes("Location", "/elsewhere").unwrap());
                        }
                        drop(request.respond(response));
                    }
                    None => unanswered.push(request),
                }
            }
        });
        Self { server, asked, answering: Some(answering) }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.server_addr().to_ip().unwrap())
    }

    /// What it was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(answering) = self.answering.take() {
            answering.join().unwrap();
        }
    }
}

/// An address on which nobody listens.
pub(crate) fn dead_url() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
