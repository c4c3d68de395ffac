//! What MRCONFIGID commits to of the application that runtime events name.

use evidence_dstack::{
    application::{Application, KeyProviderInfo},
    mr_config::{KeyProvider, MrConfigClaim, MrConfigId, MrConfigIdError, MrConfigV3},
};
use evidence_event_log::launch::Launch;

use crate::Error;

/// Whether what MRCONFIGID commits to is this application; to its id too where the policy requires a form that does, because
/// a document may leave it open.
pub(crate) fn is_committed_by(
    application: &Application,
    id: MrConfigId,
    document: Option<&str>,
    required: bool,
) -> Result<(), Error> {
    let Launch { app_id, compose_hash, instance_id, gpu_policy_hash, init_script_hashes, .. } =
        &application.launch;
    let KeyProviderInfo { kind, id: provider_id } = provider_for(application, id, document)?;
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
fn provider_for(
    application: &Application,
    id: MrConfigId,
    document: Option<&str>,
) -> Result<KeyProviderInfo, Error> {
    match (&application.provider, id, document) {
        (Some(provider), _, _) => Ok(provider.clone()),
        (None, MrConfigId::V2 { .. }, _) => Err(Error::KeyProviderUnknown),
        (None, MrConfigId::V3 { .. }, Some(document)) => {
            let config = MrConfigV3::parse(document).map_err(MrConfigIdError::from)?;
            Ok(KeyProviderInfo { kind: config.key_provider, id: config.key_provider_id })
        }
        (None, _, _) => Ok(KeyProviderInfo { kind: KeyProvider::None, id: Vec::new() }),
    }
}
