//! The application that launch events name.

use backend_api::Field;
use evidence_dstack::mr_config::{KeyProvider, MrConfigClaim, MrConfigId, MrConfigIdError, MrConfigV3};
use evidence_event_log::launch::Launch;
use serde::Deserialize;

use crate::Error;

/// What the events before `system-ready` say.
pub(crate) struct Application {
    pub(crate) launch: Launch,
    /// `None` for a guest that still boots.
    pub(crate) provider: Option<KeyProviderInfo>,
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
    /// Whether what MRCONFIGID commits to is this application; to its id too where the policy requires a form that does, because
    /// a document may leave it open.
    pub(crate) fn committed_by(
        &self,
        id: MrConfigId,
        document: Option<&str>,
        required: bool,
    ) -> Result<(), Error> {
        let Launch { app_id, compose_hash, instance_id, gpu_policy_hash, init_script_hashes, .. } =
            &self.launch;
        let KeyProviderInfo { kind, id: provider_id } = self.provider_for(id, document)?;
        id.check(&MrConfigClaim {
            app_id: *app_id,
            compose_hash: *compose_hash,
            instance_id: *instance_id,
            key_provider: kind,
            key_provider_id: &provider_id,
            gpu_policy_hash: *gpu_policy_hash,
            init_script_hashes,
            document,
        })?;
        // A document that nothing commits to would be a claim that looks like one that something does.
        if document.is_some() && !matches!(id, MrConfigId::V3 { .. }) {
            return Err(Error::DocumentUncommitted);
        }
        if let Some(document) = document.filter(|_| required) {
            let config = MrConfigV3::parse(document).map_err(MrConfigIdError::from)?;
            config.app_id.ok_or(Error::MrConfigIdOpen)?;
        }
        Ok(())
    }

    /// The key provider to compare with: of the events; while the guest boots, of the document that the third form commits
    /// to. The first form has none, and the second cannot be told without one.
    fn provider_for(&self, id: MrConfigId, document: Option<&str>) -> Result<KeyProviderInfo, Error> {
        match (&self.provider, id, document) {
            (Some(provider), _, _) => Ok(provider.clone()),
            (None, MrConfigId::V2 { .. }, _) => Err(Error::KeyProviderUnknown),
            (None, MrConfigId::V3 { .. }, Some(document)) => {
                let config = MrConfigV3::parse(document).map_err(MrConfigIdError::from)?;
                Ok(KeyProviderInfo { kind: config.key_provider, id: config.key_provider_id })
            }
            (None, _, _) => Ok(KeyProviderInfo { kind: KeyProvider::None, id: Vec::new() }),
        }
    }

    /// Every field that the events name.
    pub(crate) fn fields(&self) -> Vec<(Field, Vec<u8>)> {
        let Self { launch, provider } = self;
        let mut fields =
            vec![(Field::AppId, launch.app_id.to_vec()), (Field::ComposeHash, launch.compose_hash.to_vec())];
        fields.extend(launch.instance_id.map(|id| (Field::InstanceId, id.to_vec())));
        fields.extend(launch.gpu_policy_hash.map(|hash| (Field::GpuPolicyHash, hash.to_vec())));
        if !launch.init_script_hashes.is_empty() {
            fields.push((Field::InitScriptHashes, launch.init_script_hashes.concat()));
        }
        if let Some(provider) = provider {
            fields.push((Field::KeyProvider, launch.key_provider.clone()));
            if provider.kind == KeyProvider::Kms {
                fields.push((Field::KmsRootKeyHash, sha256(&provider.id)));
            }
        }
        fields
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec()
}
