//! What stands between a guest and its TPM, such as Azure's paravisor: it sees each command first.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::message::read_message;
use super::{Swtpm, Wire, listen_on_two, tcti};

/// What sees each command of a guest before the TPM does. Closures are hooks, too.
pub trait Hook: Send {
    /// Called with each command, header included. It may give commands of its own to the TPM, on the
    /// connection on which the guest's command follows, and it may answer in the TPM's place. An error closes
    /// the guest's connection.
    ///
    /// # Errors
    ///
    /// The hook's own.
    fn before(&mut self, command: &[u8], tpm: &mut Wire) -> io::Result<Option<Vec<u8>>>;
}

impl<F> Hook for F
where
    F: FnMut(&[u8], &mut Wire) -> io::Result<Option<Vec<u8>>> + Send,
{
    fn before(&mut self, command: &[u8], tpm: &mut Wire) -> io::Result<Option<Vec<u8>>> {
        self(command, tpm)
    }
}

/// A TPM's data and control port on other ports, with a [`Hook`] on the data. As swtpm does, it serves one
/// client of the data port at a time. Where swtpm is gone, the client's connection is closed.
///
/// Dropped, it closes every connection and waits for its threads.
pub struct Proxy {
    port: u16,
    open: Arc<Open>,
    threads: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Listens on two free ports of loopback in front of `tpm`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn start(tpm: &Swtpm, mut hook: impl Hook + 'static) -> io::Result<Self> {
        let upstream = tpm.port();
        let upstream_control = upstream.checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let (data, control) = listen_on_two()?;
        let port = data.local_addr()?.port();
        let open = Arc::new(Open::default());
        let (of_data, of_control) = (Arc::clone(&open), Arc::clone(&open));
        let serve_data = move || {
            while let Some(client) = of_data.accept(&data) {
                // Whatever went wrong, the client sees its connection closed.
                let _ = serve(client, upstream, &mut hook, &of_data);
            }
        };
        let serve_control = move || {
            let open = &of_control;
            thread::scope(|scope| {
                while let Some(client) = open.accept(&control) {
                    scope.spawn(move || relay(&client, upstream_control, open));
                }
            });
        };
        let threads = vec![thread::spawn(serve_data), thread::spawn(serve_control)];
        Ok(Self { port, open, threads })
    }

    /// The data port. The control port is the next one.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How libtss2 reaches it.
    #[must_use]
    pub fn tcti(&self) -> String {
        tcti(self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.open.stop();
        // A thread that waits for a client gets one, and sees that it is to stop.
        for port in [self.port, self.port.saturating_add(1)] {
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The commands of one client, until it closes its connection.
fn serve(mut client: TcpStream, upstream: u16, hook: &mut impl Hook, open: &Open) -> io::Result<()> {
    let _client = open.add(&client)?;
    client.set_nodelay(true)?;
    let mut tpm = Wire::connect(upstream)?;
    let _tpm = open.add(tpm.stream())?;
    while let Some(command) = read_message(&mut client)? {
        let response = match hook.before(&command, &mut tpm)? {
            Some(response) => response,
            None => tpm.transmit(&command)?,
        };
        client.write_all(&response)?;
    }
    Ok(())
}

/// Passes on what either side says, until one of them closes the connection.
fn relay(client: &TcpStream, upstream: u16, open: &Open) {
    let both = || {
        let _client = open.add(client)?;
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream))?;
        let _server = open.add(&server)?;
        let pass = |mut from: &TcpStream, mut to: &TcpStream| {
            let _ = io::copy(&mut from, &mut to);
            // The other direction ends, too.
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        };
        thread::scope(|scope| {
            scope.spawn(|| pass(&server, client));
            pass(client, &server);
        });
        io::Result::Ok(())
    };
    let _ = both();
}

/// The connections that are open, so that they can be closed from elsewhere.
#[derive(Default)]
struct Open(Mutex<State>);

#[derive(Default)]
struct State {
    stopped: bool,
    next: u64,
    streams: HashMap<u64, TcpStream>,
}

/// A connection among the open ones, for as long as this lives.
struct Entry<'a> {
    open: &'a Open,
    number: u64,
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next client; `None` when it is time to stop.
    fn accept(&self, listener: &TcpListener) -> Option<TcpStream> {
        let (client, _address) = listener.accept().ok()?;
        (!self.lock().stopped).then_some(client)
    }

    fn add(&self, stream: &TcpStream) -> io::Result<Entry<'_>> {
        let stream = stream.try_clone()?;
        let mut state = self.lock();
        if state.stopped {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let number = state.next;
        state.next = number.wrapping_add(1);
        state.streams.insert(number, stream);
        Ok(Entry { open: self, number })
    }

    fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        for stream in state.streams.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let _ = self.open.lock().streams.remove(&self.number);
    }
}
