//! Linked backends, and those of them that are accepted.

use std::{collections::BTreeMap, sync::Arc};

use backend_api::{AttestationBackend, BackendId, CheckInfo, CrossCheck, MediaType, Registration, Result};

use crate::{
    RegistryError,
    appraisal::checks,
    builtin::{BUILTIN, FEATURES},
};

/// A consistent set of backends, in the order of their ids.
#[derive(Debug, Clone)]
pub struct Registry {
    registrations: BTreeMap<BackendId, &'static Registration>,
}

impl Registry {
    /// Every backend that is linked into this program: this crate's features united with what `inventory` found.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] if two of them claim one id or one media type.
    pub fn linked() -> Result<Self> {
        Self::new(BUILTIN.iter().copied().chain(backend_api::linked()))
    }

    /// A given set of backends. One registration may come more than once; two registrations of one id are an error.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] if two of them claim one id or one media type, or an id does not keep to the grammar.
    pub fn new(all: impl IntoIterator<Item = &'static Registration>) -> Result<Self> {
        let mut registrations: BTreeMap<BackendId, &'static Registration> = BTreeMap::new();
        for registration in all {
            let id = registration.backend.descriptor().id;
            if !id.is_valid() {
                return Err(RegistryError::InvalidId(id.as_str()).into());
            }
            match registrations.insert(id, registration) {
                Some(first) if !std::ptr::eq(first, registration) => {
                    let name = |of: &Registration| format!("{} {}", of.crate_name, of.crate_version);
                    return Err(RegistryError::DuplicateBackend {
                        id: id.as_str(),
                        first: name(first),
                        second: name(registration),
                    }
                    .into());
                }
                _ => {}
            }
        }
        let mut claimed: BTreeMap<&MediaType, BackendId> = BTreeMap::new();
        for (&id, registration) in &registrations {
            for media_type in registration.backend.descriptor().media_types() {
                if let Some(first) = claimed.insert(media_type, id) {
                    return Err(RegistryError::AmbiguousMediaType {
                        media_type: media_type.to_string(),
                        first: first.as_str(),
                        second: id.as_str(),
                    }
                    .into());
                }
            }
        }
        Ok(Self { registrations })
    }

    /// The registrations, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &'static Registration> {
        self.registrations.values().copied()
    }

    /// Every check that can stand in a result: those of the backends, and those of the appraisal.
    pub fn checks(&self) -> impl Iterator<Item = &'static CheckInfo> {
        self.iter().flat_map(|registration| registration.backend.descriptor().checks()).chain(checks::ALL)
    }

    /// The backend for this kind of Evidence, accepted or not: to look at Evidence, not to judge it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::UnknownMediaType`], which names the linked backends and the feature that is missing.
    pub fn select(&self, media_type: &MediaType) -> Result<&'static dyn AttestationBackend> {
        let backend = self
            .iter()
            .map(|registration| registration.backend)
            .find(|backend| backend.descriptor().kind(media_type).is_some());
        backend.ok_or_else(|| {
            RegistryError::UnknownMediaType {
                media_type: media_type.to_string(),
                linked: self.names(),
                hint: hint(|feature| media_type.as_str().contains(&format!(".{feature}."))),
            }
            .into()
        })
    }

    /// Narrows to the backends whose word this relying party takes.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NothingAccepted`] for an empty list, [`RegistryError::UnknownBackend`] for an id that is not linked.
    pub fn accept<I: AsRef<str>>(&self, ids: impl IntoIterator<Item = I>) -> Result<Accepted> {
        let mut accepted = Vec::new();
        for id in ids {
            let id = id.as_ref();
            let known = self.registrations.keys().find(|known| known.as_str() == id);
            let known = known.ok_or_else(|| RegistryError::UnknownBackend {
                id: id.to_owned(),
                linked: self.names(),
                hint: hint(|feature| feature == id),
            })?;
            accepted.push(*known);
        }
        if accepted.is_empty() {
            return Err(RegistryError::NothingAccepted { linked: self.names() }.into());
        }
        Ok(Accepted { registry: self.clone(), accepted, cross_checks: Vec::new() })
    }

    fn names(&self) -> String {
        names(self.registrations.keys())
    }
}

/// Backends whose word a relying party takes: there is no [`Verifier`](crate::Verifier) without this.
#[derive(Debug, Clone)]
pub struct Accepted {
    registry: Registry,
    accepted: Vec<BackendId>,
    cross_checks: Vec<Arc<dyn CrossCheck>>,
}

impl Accepted {
    /// The same backends, with one more question to a provider: it is asked about every item of Evidence of its backend, and an
    /// error refuses the item. A policy can require its check by name.
    ///
    /// # Errors
    ///
    /// [`RegistryError::CrossCheckNotAccepted`] if its backend is none of these, [`RegistryError::DuplicateCheck`] if its check has
    /// the name of another.
    pub fn with_cross_check(mut self, cross_check: Arc<dyn CrossCheck>) -> Result<Self> {
        let (id, check) = (cross_check.backend(), cross_check.check().check);
        if !self.accepted.contains(&id) {
            let accepted = names(&self.accepted);
            return Err(RegistryError::CrossCheckNotAccepted { check, id: id.as_str(), accepted }.into());
        }
        if self.makes(check.name()) {
            return Err(RegistryError::DuplicateCheck(check).into());
        }
        self.cross_checks.push(cross_check);
        Ok(self)
    }

    /// Whether a check of this name is made of any item: by an accepted backend, by a cross-check, or by the appraisal.
    pub(crate) fn makes(&self, name: &str) -> bool {
        let of_backends = self.backends().flat_map(|backend| backend.descriptor().checks());
        let asked = self.cross_checks.iter().map(|cross_check| cross_check.check());
        of_backends.chain(asked).chain(checks::ALL).any(|info| info.check.name() == name)
    }

    /// The cross-checks of one backend.
    pub(crate) fn cross_checks(&self, id: BackendId) -> impl Iterator<Item = &dyn CrossCheck> {
        self.cross_checks.iter().filter(move |cross_check| cross_check.backend() == id).map(|all| &**all)
    }

    /// The backend for this kind of Evidence, if it is accepted.
    pub(crate) fn select(&self, media_type: &MediaType) -> Result<&'static dyn AttestationBackend> {
        let backend = self.registry.select(media_type)?;
        let id = backend.descriptor().id;
        if !self.accepted.contains(&id) {
            let accepted = names(&self.accepted);
            return Err(RegistryError::NotAccepted { id: id.as_str(), accepted }.into());
        }
        Ok(backend)
    }

    /// The accepted backends.
    pub(crate) fn backends(&self) -> impl Iterator<Item = &'static dyn AttestationBackend> {
        self.registry
            .iter()
            .map(|registration| registration.backend)
            .filter(|backend| self.accepted.contains(&backend.descriptor().id))
    }
}

fn names<'a>(ids: impl IntoIterator<Item = &'a BackendId>) -> String {
    let names: Vec<&str> = ids.into_iter().map(|id| id.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Names the feature of this crate that would link what is asked for, if this build lacks it.
fn hint(is_meant: impl Fn(&str) -> bool) -> String {
    let missing = FEATURES.iter().find(|(feature, linked)| !linked && is_meant(feature));
    missing
        .map(|(feature, _)| format!("; the feature `{feature}` of the crate `registry` links it"))
        .unwrap_or_default()
}
