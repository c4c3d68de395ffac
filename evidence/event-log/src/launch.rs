//! What dstack's guest extends while it starts, in dstack's order.
//!
//! Source: Dstack-TEE/dstack, workspace version 0.6.0, `dstack-util/src/system_setup.rs`.

use crate::runtime::{EventVersion, LaunchEvents, RuntimeEvent};

/// The most init scripts of a launch.
pub const MAX_INIT_SCRIPTS: usize = 5;

/// The events' names.
pub mod names {
    /// First event; no payload.
    pub const SYSTEM_PREPARING: &str = "system-preparing";
    /// 20 bytes.
    pub const APP_ID: &str = "app-id";
    /// 32 bytes.
    pub const COMPOSE_HASH: &str = "compose-hash";
    /// 32 bytes, one event for each script.
    pub const INIT_SCRIPT_HASH: &str = "init-script-hash";
    /// 32 bytes; launches with a GPU.
    pub const GPU_POLICY_HASH: &str = "gpu-policy-hash";
    /// JSON; launches with a GPU that was attested.
    pub const GPU_ATTESTATION: &str = "gpu-attestation";
    /// 20 bytes, or none.
    pub const INSTANCE_ID: &str = "instance-id";
    /// The end of what a KMS calls boot time; no payload.
    pub const BOOT_MR_DONE: &str = "boot-mr-done";
    /// 32 bytes; launches that a KMS gave keys to.
    pub const OS_IMAGE_HASH: &str = "os-image-hash";
    /// JSON with `name` and `id`.
    pub const KEY_PROVIDER: &str = "key-provider";
    /// The name of a file system.
    pub const STORAGE_FS: &str = "storage-fs";
    /// The end of the launch; no payload.
    pub const SYSTEM_READY: &str = "system-ready";
}

use names::{
    APP_ID, BOOT_MR_DONE, COMPOSE_HASH, GPU_ATTESTATION, GPU_POLICY_HASH, INIT_SCRIPT_HASH, INSTANCE_ID,
    KEY_PROVIDER, OS_IMAGE_HASH, STORAGE_FS, SYSTEM_PREPARING, SYSTEM_READY,
};

/// Every name of a launch, in the order of extension.
pub const ORDER: [&str; 12] = [
    SYSTEM_PREPARING,
    APP_ID,
    COMPOSE_HASH,
    INIT_SCRIPT_HASH,
    GPU_POLICY_HASH,
    GPU_ATTESTATION,
    INSTANCE_ID,
    BOOT_MR_DONE,
    OS_IMAGE_HASH,
    KEY_PROVIDER,
    STORAGE_FS,
    SYSTEM_READY,
];

pub(crate) fn is_known(name: &str) -> bool {
    ORDER.contains(&name)
}

/// Why launch events are not those of a dstack guest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// An event that every launch has.
    #[error("an event {name} before system-ready expected, found none")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// A payload of another length.
    #[error("{expected} bytes of {name} expected, found {found}")]
    Length {
        /// The event's name.
        name: &'static str,
        /// The length expected in bytes.
        expected: usize,
        /// The length found in bytes.
        found: usize,
    },
    /// Another event is first.
    #[error("system-preparing as the first event expected, found another")]
    NotFirst,
    /// Two events stand in another order.
    #[error("{name} before {after} expected, found behind it")]
    Order {
        /// The event that stands too late.
        name: &'static str,
        /// The one that it must stand before.
        after: &'static str,
    },
    /// More init scripts than dstack runs.
    #[error("at most {MAX_INIT_SCRIPTS} init scripts expected, found {found}")]
    InitScripts {
        /// The number found.
        found: usize,
    },
}

/// What a launch says about the application: the payloads of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// `app-id`.
    pub app_id: [u8; 20],
    /// `compose-hash`: SHA-256 of the application's compose file.
    pub compose_hash: [u8; 32],
    /// `init-script-hash`: SHA-256 of each init script in order, at most [`MAX_INIT_SCRIPTS`].
    pub init_script_hashes: Vec<[u8; 32]>,
    /// `gpu-policy-hash`: SHA-256 of the GPU policy's canonical JSON.
    pub gpu_policy_hash: Option<[u8; 32]>,
    /// `gpu-attestation`: JSON.
    pub gpu_attestation: Option<Vec<u8>>,
    /// `instance-id`; `None` for an application without instances, whose event has no payload.
    pub instance_id: Option<[u8; 20]>,
    /// `os-image-hash`: what a KMS calls the image. The guest's word: it binds no image.
    pub os_image_hash: Option<[u8; 32]>,
    /// `key-provider`: JSON with `name` and `id`, hashed as it stands.
    pub key_provider: Vec<u8>,
    /// `storage-fs`: the name of the data disk's file system. Older guests have no such event.
    pub storage_fs: Option<Vec<u8>>,
}

impl Launch {
    /// The launch's events, from `system-preparing` to `system-ready`, in the order of extension.
    ///
    /// # Errors
    ///
    /// [`LaunchError::InitScripts`].
    pub fn to_events(&self, version: EventVersion) -> Result<Vec<RuntimeEvent>, LaunchError> {
        if self.init_script_hashes.len() > MAX_INIT_SCRIPTS {
            return Err(LaunchError::InitScripts { found: self.init_script_hashes.len() });
        }
        let events = ORDER.into_iter().flat_map(|name| {
            let payloads = self.payloads(name).into_iter();
            payloads.map(move |payload| RuntimeEvent {
                name: name.to_owned(),
                payload: payload.to_vec(),
                version,
            })
        });
        Ok(events.collect())
    }

    /// The payloads of the events `name`, which is one of [`ORDER`].
    fn payloads(&self, name: &str) -> Vec<&[u8]> {
        fn optional<T: AsRef<[u8]>>(field: Option<&T>) -> Vec<&[u8]> {
            field.map(T::as_ref).into_iter().collect()
        }
        match name {
            APP_ID => vec![&self.app_id],
            COMPOSE_HASH => vec![&self.compose_hash],
            INIT_SCRIPT_HASH => self.init_script_hashes.iter().map(<[u8; 32]>::as_slice).collect(),
            GPU_POLICY_HASH => optional(self.gpu_policy_hash.as_ref()),
            GPU_ATTESTATION => optional(self.gpu_attestation.as_ref()),
            INSTANCE_ID => vec![self.instance_id.as_ref().map_or(&[], <[u8; 20]>::as_slice)],
            OS_IMAGE_HASH => optional(self.os_image_hash.as_ref()),
            KEY_PROVIDER => vec![&self.key_provider],
            STORAGE_FS => optional(self.storage_fs.as_ref()),
            // SYSTEM_PREPARING, BOOT_MR_DONE, SYSTEM_READY.
            _ => vec![&[]],
        }
    }

    /// The inverse of [`Launch::to_events`]. Events of other names may stand anywhere after the first; they
    /// are [`LaunchEvents::unknown`].
    ///
    /// # Errors
    ///
    /// [`LaunchError`] where an event of every launch is missing, stands in another order or has another
    /// length.
    pub fn read(events: LaunchEvents<'_>) -> Result<Self, LaunchError> {
        let key_provider = required(events, KEY_PROVIDER)?;
        Self::with_key_provider(events, key_provider)
    }

    /// The same of a guest that still boots ([`RuntimeLog::booting_events`](crate::runtime::RuntimeLog::booting_events)): it
    /// has no key provider yet, and [`Launch::key_provider`] is empty.
    ///
    /// # Errors
    ///
    /// As [`Launch::read`], and [`LaunchError::Length`] for a key provider that is there.
    pub fn read_booting(events: LaunchEvents<'_>) -> Result<Self, LaunchError> {
        let early = fixed::<0>(KEY_PROVIDER, events.payload(KEY_PROVIDER).unwrap_or_default())?;
        Self::with_key_provider(events, &early)
    }

    fn with_key_provider(events: LaunchEvents<'_>, key_provider: &[u8]) -> Result<Self, LaunchError> {
        if events.events().first().is_none_or(|event| event.name != SYSTEM_PREPARING) {
            return Err(LaunchError::NotFirst);
        }
        check_order(events)?;
        marker(events, SYSTEM_PREPARING)?;
        marker(events, BOOT_MR_DONE)?;
        Ok(Self {
            app_id: fixed(APP_ID, required(events, APP_ID)?)?,
            compose_hash: fixed(COMPOSE_HASH, required(events, COMPOSE_HASH)?)?,
            init_script_hashes: events
                .payloads(INIT_SCRIPT_HASH)
                .map(|payload| fixed(INIT_SCRIPT_HASH, payload))
                .collect::<Result<_, _>>()?,
            gpu_policy_hash: optional(events, GPU_POLICY_HASH)?,
            gpu_attestation: events.payload(GPU_ATTESTATION).map(<[u8]>::to_vec),
            instance_id: match required(events, INSTANCE_ID)? {
                [] => None,
                payload => Some(fixed(INSTANCE_ID, payload)?),
            },
            os_image_hash: optional(events, OS_IMAGE_HASH)?,
            key_provider: key_provider.to_vec(),
            storage_fs: events.payload(STORAGE_FS).map(<[u8]>::to_vec),
        })
    }
}

/// Known names stand in the order of [`ORDER`], whatever stands between them.
fn check_order(events: LaunchEvents<'_>) -> Result<(), LaunchError> {
    let mut latest: Option<(usize, &'static str)> = None;
    for event in events.events() {
        let Some((rank, name)) = ORDER.into_iter().enumerate().find(|(_, name)| *name == event.name) else {
            continue;
        };
        match latest {
            Some((other, after)) if rank < other => return Err(LaunchError::Order { name, after }),
            _ => latest = Some((rank, name)),
        }
    }
    Ok(())
}

fn required<'a>(events: LaunchEvents<'a>, name: &'static str) -> Result<&'a [u8], LaunchError> {
    events.payload(name).ok_or(LaunchError::Missing { name })
}

fn optional<const N: usize>(
    events: LaunchEvents<'_>,
    name: &'static str,
) -> Result<Option<[u8; N]>, LaunchError> {
    events.payload(name).map(|payload| fixed(name, payload)).transpose()
}

fn marker(events: LaunchEvents<'_>, name: &'static str) -> Result<(), LaunchError> {
    fixed::<0>(name, required(events, name)?).map(|_| ())
}

fn fixed<const N: usize>(name: &'static str, payload: &[u8]) -> Result<[u8; N], LaunchError> {
    payload.try_into().map_err(|_| LaunchError::Length { name, expected: N, found: payload.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::RuntimeLog;

    fn launch() -> Launch {
        Launch {
            app_id: [1; 20],
            compose_hash: [2; 32],
            init_script_hashes: vec![[3; 32], [4; 32]],
            gpu_policy_hash: Some([5; 32]),
            gpu_attestation: Some(b"{}".to_vec()),
            instance_id: Some([6; 20]),
            os_image_hash: Some([7; 32]),
            key_provider: br#"{"name":"none","id":""}"#.to_vec(),
            storage_fs: Some(b"zfs".to_vec()),
        }
    }

    fn smallest() -> Launch {
        Launch {
            init_script_hashes: vec![],
            gpu_policy_hash: None,
            gpu_attestation: None,
            instance_id: None,
            os_image_hash: None,
            storage_fs: None,
            ..launch()
        }
    }

    fn read(events: Vec<RuntimeEvent>) -> Result<Launch, LaunchError> {
        Launch::read(RuntimeLog::new(events).unwrap().launch_events().unwrap())
    }

    fn events() -> Vec<RuntimeEvent> {
        launch().to_events(EventVersion::V1).unwrap()
    }

    fn position(name: &str) -> usize {
        events().iter().position(|event| event.name == name).unwrap()
    }

    #[test]
    fn there_and_back() {
        for version in [EventVersion::V1, EventVersion::V2] {
            for launch in [launch(), smallest()] {
                let events = launch.to_events(version).unwrap();
                assert!(events.iter().all(|event| event.version == version));
                assert_eq!(read(events), Ok(launch));
            }
        }
        let names: Vec<_> = events().into_iter().map(|event| event.name).collect();
        let mut expected = ORDER.to_vec();
        expected.insert(4, INIT_SCRIPT_HASH);
        assert_eq!(names, expected);
    }

    #[test]
    fn lengths() {
        for (name, expected) in [
            (SYSTEM_PREPARING, 0),
            (APP_ID, 20),
            (COMPOSE_HASH, 32),
            (INIT_SCRIPT_HASH, 32),
            (GPU_POLICY_HASH, 32),
            (INSTANCE_ID, 20),
            (OS_IMAGE_HASH, 32),
        ] {
            let mut events = events();
            events[position(name)].payload.push(0);
            assert_eq!(read(events), Err(LaunchError::Length { name, expected, found: expected + 1 }));
        }
    }

    #[test]
    fn what_every_launch_has() {
        for name in [APP_ID, COMPOSE_HASH, INSTANCE_ID, BOOT_MR_DONE, KEY_PROVIDER] {
            let mut events = events();
            events.remove(position(name));
            assert_eq!(read(events), Err(LaunchError::Missing { name }));
        }
        let mut events = events();
        events.remove(0);
        assert_eq!(read(events), Err(LaunchError::NotFirst));
    }

    #[test]
    fn order() {
        let mut late = events();
        late.swap(position(APP_ID), position(COMPOSE_HASH));
        let error = LaunchError::Order { name: APP_ID, after: COMPOSE_HASH };
        assert_eq!(read(late), Err(error));
        let mut late = events();
        late.swap(position(INSTANCE_ID), position(BOOT_MR_DONE));
        let error = LaunchError::Order { name: INSTANCE_ID, after: BOOT_MR_DONE };
        assert_eq!(read(late), Err(error));
    }

    #[test]
    fn unknown_names_are_kept() {
        let mut events = events();
        let unknown = RuntimeEvent {
            name: "storage-encrypted".to_owned(),
            payload: b"1".to_vec(),
            version: EventVersion::V1,
        };
        events.insert(position(SYSTEM_READY), unknown.clone());
        let log = RuntimeLog::new(events).unwrap();
        let launch_events = log.launch_events().unwrap();
        assert_eq!(Launch::read(launch_events), Ok(launch()));
        assert_eq!(launch_events.unknown().collect::<Vec<_>>(), [&unknown]);
    }

    #[test]
    fn init_scripts_are_bounded() {
        let launch = |count| Launch { init_script_hashes: vec![[0; 32]; count], ..smallest() };
        assert!(launch(5).to_events(EventVersion::V1).is_ok());
        let error = LaunchError::InitScripts { found: 6 };
        assert_eq!(launch(6).to_events(EventVersion::V1), Err(error));
    }
}
