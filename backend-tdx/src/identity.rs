//! The application that launch events name.

use backend_api::Field;
use evidence_dstack::mr_config::{KeyProvider, MrConfigClaim, MrConfigId};
use evidence_event_log::launch::Launch;
use serde::Deserialize;

use crate::Error;

/// What the events before `system-ready` say.
pub(crate) struct Application {
    pub(crate) launch: Launch,
    pub(crate) provider: KeyProviderInfo,
}

/// The payload of the event `key-provider`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyProviderInfo {
    kind: KeyProvider,
    id: Vec<u8>,
}

impl KeyProviderInfo {
    /// Reads `{"name":…,"id":"<hex>"}`.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Members {
            name: String,
            id: String,
        }
        let members: Members = serde_json::from_slice(payload).map_err(|_| Error::KeyProviderFormat)?;
        let all = [KeyProvider::None, KeyProvider::Local, KeyProvider::Kms, KeyProvider::Tpm];
        let kind = all.into_iter().find(|kind| kind.info_name() == members.name);
        let kind = kind.ok_or(Error::KeyProviderName(members.name.chars().take(32).collect()))?;
        let id = hex::decode(&members.id).map_err(|_| Error::KeyProviderFormat)?;
        if kind == KeyProvider::Kms && id.is_empty() {
            return Err(Error::KmsWithoutId);
        }
        Ok(Self { kind, id })
    }
}

impl Application {
    /// Whether what MRCONFIGID commits to is this application.
    pub(crate) fn committed_by(&self, id: MrConfigId, document: Option<&str>) -> Result<(), Error> {
        let Launch { app_id, compose_hash, instance_id, .. } = &self.launch;
        id.check(&MrConfigClaim {
            app_id: *app_id,
            compose_hash: *compose_hash,
            instance_id: *instance_id,
            key_provider: self.provider.kind,
            key_provider_id: &self.provider.id,
            document,
        })?;
        // A document that nothing commits to would be a claim that looks like one that something does.
        if document.is_some() && !matches!(id, MrConfigId::V3 { .. }) {
            return Err(Error::DocumentUncommitted);
        }
        Ok(())
    }

    /// Every field that the events name.
    pub(crate) fn fields(&self) -> Vec<(Field, Vec<u8>)> {
        let Self { launch, provider } = self;
        let mut fields = vec![
            (Field::AppId, launch.app_id.to_vec()),
            (Field::ComposeHash, launch.compose_hash.to_vec()),
            (Field::KeyProvider, launch.key_provider.clone()),
        ];
        fields.extend(launch.instance_id.map(|id| (Field::InstanceId, id.to_vec())));
        fields.extend(launch.gpu_policy_hash.map(|hash| (Field::GpuPolicyHash, hash.to_vec())));
        if !launch.init_script_hashes.is_empty() {
            fields.push((Field::InitScriptHashes, launch.init_script_hashes.concat()));
        }
        if provider.kind == KeyProvider::Kms {
            fields.push((Field::KmsRootKeyHash, sha256(&provider.id)));
        }
        fields
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}
