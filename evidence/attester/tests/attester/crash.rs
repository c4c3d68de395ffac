//! Processes that extend at once, and processes that are killed while they do.

use std::env;
use std::io::read_to_string;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::guest::{Guest, LONG, event, guest};
use evidence_attester::journal::Registers;
use evidence_attester::tdx::Rtmr;
use evidence_attester::{Journal, Register};
use evidence_event_log::replay::replay_sha384;
use evidence_event_log::runtime::RuntimeEvent;
use lab::tsm::{Behaviour, Hold};

/// What a child is told by its parent: the guest's root, the prefix of its events, how many.
const ORDER: &str = "EVIDENCE_ATTESTER_TEST_CHILD";

/// How many processes are killed.
const ROUNDS: u64 = 100;

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that extends `count` events, named `prefix-0` and so on, one after the other, and says each name
/// when it is done.
fn child(guest: &Guest, prefix: &str, count: u32) -> Running {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "crash::extends_for_a_parent", "--ignored", "--nocapture"]);
    command.env(ORDER, format!("{}\n{prefix}\n{count}", guest.root().display()));
    Running(command.stdout(Stdio::piped()).spawn().unwrap())
}

#[test]
#[ignore = "a child of the other tests"]
fn extends_for_a_parent() {
    let Ok(order) = env::var(ORDER) else { return };
    let mut order = order.lines();
    let (root, prefix) = (order.next().unwrap(), order.next().unwrap());
    let count: u32 = order.next().unwrap().parse().unwrap();
    let mut rtmr = Rtmr::of(Path::new(root), 3).unwrap();
    let registers: &mut Registers<'_> = &mut [&mut rtmr as &mut dyn Register];
    let journal = Journal::at(Path::new(root)).with_lock_deadline(LONG);
    for number in 0..count {
        let name = format!("{prefix}-{number}");
        journal.extend(&event(&name), registers).unwrap();
        println!("{name}");
    }
}

/// The names of a child's first events.
fn numbered(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |number| format!("{prefix}-{number}"))
}

/// Log and register agree. The names of the events.
fn agreed(guest: &Guest) -> Vec<String> {
    let snapshot = guest.load().unwrap();
    let events = snapshot.log.events();
    assert_eq!(replay_sha384(events.iter().map(RuntimeEvent::sha384)), guest.rtmr3());
    events.iter().map(|event| event.name.clone()).collect()
}

#[test]
fn processes_at_once_lose_no_event() {
    let Some(guest) = guest("processes_at_once_lose_no_event", Behaviour::tdx()) else { return };
    let prefixes = ["a", "b", "c"];
    let mut children = prefixes.map(|prefix| child(&guest, prefix, 40));
    for child in &mut children {
        assert!(child.0.wait().unwrap().success());
    }
    let names = agreed(&guest);
    assert_eq!(names.len(), 120);
    for prefix in prefixes {
        let own = names.iter().filter(|name| name.starts_with(prefix));
        assert!(own.cloned().eq(numbered(prefix, 40)), "each process's events in its order");
    }
}

/// Kills a child that stands still at `hold`, in its third extension.
fn killed_at(guest: &Guest, hold: Hold) {
    let mut first = child(guest, "first", 2);
    assert!(first.0.wait().unwrap().success());
    guest.tree.change(|tree| tree.hold = Some(hold));
    let mut second = child(guest, "second", 1);
    assert!(guest.tree.wait_held(LONG));
    second.0.kill().unwrap();
    // A kill takes effect when the driver answers, before the process sees the answer.
    guest.tree.let_go();
    assert!(!second.0.wait().unwrap().success());
}

#[test]
fn killed_after_the_intent_and_before_the_extension() {
    let Some(guest) = guest("killed_after_the_intent_and_before_the_extension", Behaviour::tdx()) else {
        return;
    };
    killed_at(&guest, Hold::BeforeExtension);
    assert_eq!(guest.load().unwrap().recovered, None);
    assert_eq!(agreed(&guest), ["first-0", "first-1"]);
}

#[test]
fn killed_after_the_extension_and_before_the_log() {
    let Some(guest) = guest("killed_after_the_extension_and_before_the_log", Behaviour::tdx()) else {
        return;
    };
    killed_at(&guest, Hold::AfterExtension);
    assert_eq!(guest.load().unwrap().recovered, Some(event("second-0")));
    assert_eq!(agreed(&guest), ["first-0", "first-1", "second-0"]);
    assert_eq!(guest.load().unwrap().recovered, None);
}

#[test]
fn killed_anywhere_at_any_time() {
    let Some(guest) = guest("killed_anywhere_at_any_time", Behaviour::tdx()) else { return };
    let (mut all, mut recovered) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let prefix = format!("round-{round}");
        let before = guest.log().len();
        let mut killed = child(&guest, &prefix, u32::MAX);
        while guest.log().len() == before {
            assert_eq!(killed.0.try_wait().unwrap(), None);
            sleep(Duration::from_micros(50));
        }
        // An extension takes about a millisecond: over the rounds, the kill meets every place in it.
        sleep(Duration::from_micros(37 * round));
        killed.0.kill().unwrap();
        let said = read_to_string(killed.0.stdout.take().unwrap()).unwrap();
        killed.0.wait().unwrap();
        let acknowledged = said.lines().filter(|line| line.starts_with(&prefix)).count();
        recovered += usize::from(guest.load().unwrap().recovered.is_some());

        let names = agreed(&guest);
        assert_eq!(names[..all.len()], all, "what was logged stays");
        let new = &names[all.len()..];
        assert!(new.iter().cloned().eq(numbered(&prefix, new.len())), "no event is missing between others");
        // Of the last one, the kill may have come before it could be said.
        assert!((acknowledged..=acknowledged + 1).contains(&new.len()), "{acknowledged} of {}", new.len());
        all = names;
    }
    println!("{} events of {ROUNDS} killed processes, {recovered} completed from an intent", all.len());
}
