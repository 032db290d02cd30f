//! Builds that take more than they may, with control groups where this machine lets us make some, and
//! watched without.

use crate::fixture::{Fixture, gone, group_only, locked, unlikely_seconds};
use model::ByteSize;
use std::sync::atomic::{AtomicU32, Ordering};
use tasks::Error;
use tasks::sandbox::{Cgroups, Command, Controller, Exceeded, Exit, Sandbox};

/// Groups of our own; `None` where they cannot be had for `controller`, which is then said.
fn groups(controller: Controller) -> Option<Cgroups> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let opened = Cgroups::open(&format!("test-{}-{number}", std::process::id()));
    let usable = opened
        .ok()
        .filter(|groups| groups.controllers().contains(&controller));
    if usable.is_none() {
        eprintln!("skipped a half: no control groups for {controller} here");
    }
    usable
}

fn with_groups(sandbox: Sandbox, groups: Cgroups) -> Sandbox {
    Sandbox {
        cgroups: Some(groups),
        ..sandbox
    }
}

/// Both sandboxes that hold a limit: the watched one, and the kernel's where it is to be had.
fn both(controller: Controller) -> Vec<Sandbox> {
    let held = groups(controller).map(|groups| with_groups(locked(), groups));
    std::iter::once(locked()).chain(held).collect()
}

async fn exceeded(fixture: &Fixture, sandbox: &Sandbox, command: &Command, expected: Exceeded) {
    let (exit, said) = fixture.run(sandbox, command).await;
    assert_eq!(exit, Exit::Exceeded(expected), "{sandbox:?}: {said}");
}

#[tokio::test]
async fn a_build_that_eats_memory_is_killed_and_told_its_limit() {
    let fixture = Fixture::new();
    // A shell variable that doubles until it is far too large, and stays.
    let mut command =
        fixture.shell("x=0123456789abcdef; while [ ${#x} -lt 100000000 ]; do x=$x$x; done; sleep 60");
    command.limits.memory = ByteSize::mebibytes(64);
    for sandbox in both(Controller::Memory) {
        exceeded(
            &fixture,
            &sandbox,
            &command,
            Exceeded::Memory(ByteSize::mebibytes(64)),
        )
        .await;
    }
    let words = Exit::Exceeded(Exceeded::Memory(ByteSize::gibibytes(2))).to_string();
    assert_eq!(words, "used more than 2 GiB of memory, its limit, and was killed");
}

#[tokio::test]
async fn memory_that_is_spread_over_many_processes_counts_together() {
    let fixture = Fixture::new();
    let mut command = fixture.shell(
        "eat() { x=0123456789abcdef; while [ ${#x} -lt 4000000 ]; do x=$x$x; done; sleep 60; }
         for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do eat & done; wait",
    );
    command.limits.memory = ByteSize::mebibytes(64);
    for sandbox in both(Controller::Memory) {
        exceeded(
            &fixture,
            &sandbox,
            &command,
            Exceeded::Memory(ByteSize::mebibytes(64)),
        )
        .await;
    }
}

#[tokio::test]
async fn a_build_that_forks_without_end_is_killed_with_all_that_it_forked() {
    let fixture = Fixture::new();
    for sandbox in both(Controller::Processes) {
        let seconds = unlikely_seconds();
        let mut command = fixture.shell(&format!("while :; do sleep {seconds} & done"));
        command.limits.processes = 50;
        exceeded(&fixture, &sandbox, &command, Exceeded::Processes(50)).await;
        gone(&seconds).await;
    }
}

#[tokio::test]
async fn a_build_that_fills_the_disk_is_killed_wherever_it_writes() {
    let fixture = Fixture::new();
    for (name, script) in [
        (
            "many files",
            "i=0; while :; do i=$((i+1)); head -c 1000000 /dev/zero > file$i; done",
        ),
        (
            "its temporary files",
            "i=0; while :; do i=$((i+1)); head -c 1000000 /dev/zero > /tmp/file$i; done",
        ),
        (
            "its home",
            "i=0; while :; do i=$((i+1)); head -c 1000000 /dev/zero > ~/file$i; done",
        ),
        ("empty files", "i=0; while :; do i=$((i+1)); : > file$i; done"),
        (
            "before it can be seen",
            "for i in 1 2 3 4 5; do head -c 4000000 /dev/zero > file$i; done",
        ),
    ] {
        let mut command = fixture.shell(&format!("rm -rf *; {script}"));
        command.limits.disk = ByteSize::mebibytes(16);
        let (exit, said) = fixture.run(&locked(), &command).await;
        let expected = Exceeded::Disk(ByteSize::mebibytes(16));
        assert_eq!(exit, Exit::Exceeded(expected), "{name}: {said}");
    }
}

#[tokio::test]
async fn no_single_file_outgrows_the_limit() {
    let fixture = Fixture::new();
    let mut command = fixture.shell("head -c 100000000 /dev/zero > file; stat -c %s file");
    command.limits.disk = ByteSize::mebibytes(16);
    let (exit, said) = fixture.run(&locked(), &command).await;
    assert_eq!(
        exit,
        Exit::Exceeded(Exceeded::Disk(ByteSize::mebibytes(16))),
        "{said}"
    );
    let length = std::fs::metadata(fixture.source().join("file")).unwrap().len();
    assert!(length <= 16 << 20, "{length}");
}

#[tokio::test]
async fn folders_that_are_too_deep_for_paths_are_noticed() {
    let fixture = Fixture::new();
    let command = fixture.shell("while mkdir d && cd -P d; do :; done; sleep 60");
    exceeded(&fixture, &locked(), &command, Exceeded::Nesting).await;
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_is_the_machines_fault() {
    let fixture = Fixture::new();
    let sandbox = Sandbox {
        disk_reserve: ByteSize(u64::MAX),
        ..locked()
    };
    for script in ["sleep 60", "exit 1"] {
        let (sender, _receiver) = tokio::sync::mpsc::channel(4);
        let command = fixture.shell(script);
        let error = sandbox.run(&command, sender, &fixture.stop).await.unwrap_err();
        assert!(matches!(error, Error::DiskFull { .. }), "{script}: {error}");
    }
}

#[tokio::test]
async fn a_build_within_its_limits_is_left_alone() {
    let fixture = Fixture::new();
    let mut command = fixture.shell(
        "x=0123456789abcdef; while [ ${#x} -lt 4000000 ]; do x=$x$x; done
         for i in 1 2 3 4 5; do sleep 0.3 & done; wait; head -c 8000000 /dev/zero > file; sleep 0.3",
    );
    command.limits.memory = ByteSize::mebibytes(64);
    command.limits.processes = 20;
    command.limits.disk = ByteSize::mebibytes(16);
    for sandbox in both(Controller::Memory) {
        let (exit, said) = fixture.run(&sandbox, &command).await;
        assert_eq!(exit, Exit::Code(0), "{said}");
    }
}

#[tokio::test]
async fn processors_are_shared_out_by_the_limit() {
    let Some(groups) = groups(Controller::Cpu) else {
        return;
    };
    let fixture = Fixture::new();
    let mut command = fixture
        .shell("end=$(($(date +%s%N) + 1500000000)); while [ $(date +%s%N) -lt $end ]; do :; done; times");
    command.limits.cpus = model::limits::Cpus::try_from(0.1).unwrap();
    let (exit, said) = fixture.run(&with_groups(locked(), groups), &command).await;
    assert_eq!(exit, Exit::Code(0), "{said}");
    // `times` says, in two lines, what the shell and its children took: `0m0.01s 0m0.02s`.
    let seconds = said.split_whitespace().map(|word| {
        let (_, seconds) = word.trim_end_matches('s').split_once('m').unwrap();
        seconds.parse::<f64>().unwrap()
    });
    let total: f64 = seconds.sum();
    assert!(
        total < 1.0,
        "a tenth of 1.5 s of one processor, and it took {total} s: {said}"
    );
}

#[tokio::test]
async fn a_control_group_also_catches_what_leaves_a_process_group() {
    let Some(groups) = groups(Controller::Processes) else {
        return;
    };
    let fixture = Fixture::new();
    let seconds = unlikely_seconds();
    let script =
        format!("(setsid sh -c 'sleep {seconds} >/dev/null 2>&1 </dev/null & echo left' &); sleep 0.2");
    let sandbox = with_groups(group_only(), groups);
    let (exit, said) = fixture.run(&sandbox, &fixture.shell(&script)).await;
    assert_eq!((exit, said.as_str()), (Exit::Code(0), "left\n"));
    gone(&seconds).await;
}
