//! What was verified before: paths of certificates, and what issuers said.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use evidence_x509::{Anchors, Certificate, OcspError, OcspMessage, OcspResponse, UnixTime, Window};
use moka::sync::Cache;

use crate::{ALGORITHMS, Chain, Error};

/// Paths from devices to the root, and responses about the status of certificates, by all bytes that were verified. For which
/// time they hold is compared at each use. Devices of one guest share authorities.
#[derive(Clone)]
pub struct DeviceCache {
    paths: Cache<[u8; 32], Window>,
    statuses: Cache<[u8; 32], OcspResponse>,
}

impl Default for DeviceCache {
    /// Room for the paths of 4,096 devices and for 1,024 responses.
    fn default() -> Self {
        Self { paths: Cache::new(4096), statuses: Cache::new(1024) }
    }
}

impl fmt::Debug for DeviceCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceCache({} paths)", self.paths.entry_count())
    }
}

/// A path that holds; one that is not in the cache yet has the key under which it comes there.
#[derive(Debug)]
pub(crate) struct Path(Option<([u8; 32], Window)>);

impl DeviceCache {
    /// The path of `chain`, as it was verified before or as it verifies now. `window` is when all of its certificates are valid.
    pub(crate) fn path(
        &self,
        chain: &Chain,
        anchors: &Anchors,
        window: Window,
        at: UnixTime,
    ) -> Result<Path, Error> {
        let ders = chain.certificates().iter().map(Certificate::der);
        let key = key([&anchors.digest()[..]].into_iter().chain(ders));
        if self.paths.get(&key).is_some_and(|window| window.contains(at.as_secs())) {
            return Ok(Path(None));
        }
        chain.path(anchors, at)?;
        Ok(Path(Some((key, window))))
    }

    /// Keeps a path whose leaf has signed a report: public certificates alone fill no places.
    pub(crate) fn keep(&self, path: Path) {
        if let Path(Some((key, window))) = path {
            self.paths.insert(key, window);
        }
    }

    /// The response of `issuer`'s about `subject`, as it was verified before or as it verifies now. For which time it counts is not asked.
    pub(crate) fn status(
        &self,
        response: &[u8],
        message: &OcspMessage<'_>,
        subject: &Certificate,
        issuer: &Certificate,
    ) -> Result<OcspResponse, OcspError> {
        let key = key([response, subject.der(), issuer.der()]);
        if let Some(known) = self.statuses.get(&key) {
            return Ok(known);
        }
        let verified = message.verify(subject, issuer, ALGORITHMS)?;
        self.statuses.insert(key, verified.clone());
        Ok(verified)
    }
}

/// SHA-256 over the parts, each behind its length.
fn key<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}
