//! Processes that try to get out, stay behind or say too much.

use crate::fixture::{Fixture, gone, group_only, locked, unlikely_seconds, with_tools};
use bytes::Bytes;
use std::path::PathBuf;
use std::time::Duration;
use tasks::sandbox::Exit;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn output_comes_in_order_and_the_exit_code_is_told() {
    let fixture = Fixture::new();
    for sandbox in [locked(), group_only()] {
        let command = fixture.shell("echo one; echo two >&2; echo three; exit 7");
        let (exit, said) = fixture.run(&sandbox, &command).await;
        assert_eq!(
            (exit, said.as_str()),
            (Exit::Code(7), "one\ntwo\nthree\n"),
            "{sandbox:?}"
        );
    }
}

#[tokio::test]
async fn only_the_source_folder_is_changed_for_good() {
    let fixture = Fixture::new();
    let command = fixture.shell(
        "echo x > made && echo x > $HOME/a && echo x > $TMPDIR/b && echo x > /tmp/c || exit 1
         for place in / /usr /etc /dev /starling /proc/sys/kernel/hostname /proc/sys/kernel/core_pattern; do
             (echo x > $place/intruder || echo x > $place) 2>/dev/null && { echo wrote to $place; exit 2; }
         done
         unshare --user true 2>/dev/null && exit 3
         echo through > /dev/stdout",
    );
    let (exit, said) = fixture.run(&locked(), &command).await;
    assert_eq!((exit, said.as_str()), (Exit::Code(0), "through\n"));
    assert_eq!(
        std::fs::read_to_string(fixture.source().join("made")).unwrap(),
        "x\n"
    );
    assert!(!PathBuf::from("/tmp/c").exists());
}

#[tokio::test]
async fn a_build_sees_no_secrets_processes_or_network_of_the_machine() {
    let fixture = Fixture::new();
    let secret = fixture.folder.path().join("secret");
    std::fs::write(&secret, "s").unwrap();
    let command = fixture.shell(&format!(
        "ls {} /root /home /etc/shadow /etc/ssl/private /work 2>/dev/null
         id -un; hostname; ls -d /proc/[0-9]* | wc -l; env | sort
         grep -c : /proc/net/dev; grep CapEff /proc/self/status",
        secret.display()
    ));
    let (exit, said) = fixture.run(&locked(), &command).await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(exit, Exit::Code(0), "{said}");
    assert_eq!(&lines[..2], ["builder", "builder"], "{said}");
    assert!(lines[2].parse::<u32>().unwrap() < 10, "{said}");
    assert!(
        lines.contains(&"HOME=/starling/home") && lines.contains(&"TMPDIR=/tmp"),
        "{said}"
    );
    assert!(!said.contains("CARGO"), "the environment leaked: {said}");
    assert_eq!(lines[lines.len() - 2], "1", "only a loopback: {said}");
    assert_eq!(lines[lines.len() - 1], "CapEff:\t0000000000000000");
}

#[tokio::test]
async fn a_builds_environment_reaches_nothing_outside_of_the_sandbox() {
    let fixture = Fixture::new();
    // A `bwrap` of the build's own, and a library that the loader would complain about.
    let fake = fixture.source().join("bwrap");
    std::fs::write(&fake, "#!/bin/sh\necho escaped\n").unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = fixture.shell("echo inside; echo $LD_LIBRARY_PATH");
    let path = format!("{}:/usr/bin", fixture.source().display());
    command.environment.insert("PATH".to_owned(), path);
    command
        .environment
        .insert("LD_LIBRARY_PATH".to_owned(), "/starling/source".to_owned());
    let (exit, said) = fixture.run(&locked(), &command).await;
    assert_eq!(
        (exit, said.as_str()),
        (Exit::Code(0), "inside\n/starling/source\n")
    );

    command
        .environment
        .insert("LD_PRELOAD".to_owned(), "/starling/source/evil.so".to_owned());
    let (_, said) = fixture.run(&locked(), &command).await;
    // Complaints come from the programs inside only: prlimit and bwrap would be named otherwise.
    assert!(said.contains("inside") && said.contains("evil.so"), "{said}");
    assert!(!said.contains("prlimit") && !said.contains("bwrap"), "{said}");
}

#[tokio::test]
async fn a_toolchain_folder_can_be_read_and_not_written() {
    let fixture = Fixture::new();
    let tools = fixture.folder.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    std::fs::write(tools.join("version"), "1\n").unwrap();
    let sandbox = with_tools(vec![tools.clone()]);
    let script = format!("cat {0}/version; echo 2 > {0}/version || exit 3", tools.display());
    let (exit, said) = fixture.run(&sandbox, &fixture.shell(&script)).await;
    assert_eq!(exit, Exit::Code(3), "{said}");
    assert!(said.starts_with("1\n"), "{said}");
    assert_eq!(std::fs::read_to_string(tools.join("version")).unwrap(), "1\n");
}

#[tokio::test]
async fn children_that_leave_their_session_die_with_the_build() {
    let fixture = Fixture::new();
    let seconds = unlikely_seconds();
    // A double fork into a session of its own that lets go of the output.
    let script = format!(
        "(setsid sh -c 'sleep {seconds} >/dev/null 2>&1 </dev/null & echo started' &); sleep 0.2; echo done"
    );
    let (exit, said) = fixture.run(&locked(), &fixture.shell(&script)).await;
    assert_eq!(exit, Exit::Code(0));
    assert!(said.contains("started") && said.contains("done"), "{said}");
    gone(&seconds).await;
}

#[tokio::test]
async fn children_in_the_process_group_die_with_the_build() {
    let fixture = Fixture::new();
    let seconds = unlikely_seconds();
    let script = format!("sleep {seconds} & (sleep {seconds} &) ; exit 4");
    let (exit, _) = fixture.run(&group_only(), &fixture.shell(&script)).await;
    assert_eq!(exit, Exit::Code(4));
    gone(&seconds).await;
}

#[tokio::test]
async fn a_build_that_hangs_is_killed_after_its_timeout() {
    let fixture = Fixture::new();
    for sandbox in [locked(), group_only()] {
        let seconds = unlikely_seconds();
        let mut command = fixture.shell(&format!(
            "trap '' TERM INT HUP; echo ready; sleep {seconds} & wait; sleep {seconds}"
        ));
        command.timeout = Duration::from_millis(300);
        let (exit, _) = fixture.run(&sandbox, &command).await;
        assert_eq!(exit, Exit::TimedOut, "{sandbox:?}");
        gone(&seconds).await;
    }
}

#[tokio::test]
async fn a_build_is_stopped_on_request_and_when_its_caller_goes_away() {
    let fixture = Fixture::new();
    for sandbox in [locked(), group_only()] {
        let seconds = unlikely_seconds();
        let command = fixture.shell(&format!("echo ready; sleep {seconds}"));
        let (sender, mut receiver) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let (exit, ()) = tokio::join!(sandbox.run(&command, sender, &stop), async {
            receiver.recv().await.unwrap();
            stop.cancel();
        });
        assert_eq!(exit.unwrap(), Exit::Cancelled, "{sandbox:?}");
        gone(&seconds).await;

        let (sender, mut receiver) = mpsc::channel(4);
        tokio::select! {
            _ = sandbox.run(&command, sender, &fixture.stop) => panic!("it ended by itself"),
            ready = receiver.recv() => assert!(ready.is_some()),
        }
        gone(&seconds).await;
    }
}

#[tokio::test]
async fn a_flood_of_output_waits_for_its_reader() {
    let fixture = Fixture::new();
    let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
    let command = fixture.shell("head -c 30000000 /dev/zero");
    let read = async {
        let mut total = 0;
        while let Some(bytes) = receiver.recv().await {
            assert!(bytes.len() <= tasks::sandbox::OUTPUT_CHUNK_LENGTH_MAX);
            total += bytes.len();
        }
        total
    };
    let sandbox = locked();
    let (exit, total) = tokio::join!(sandbox.run(&command, sender, &fixture.stop), read);
    assert_eq!((exit.unwrap(), total), (Exit::Code(0), 30_000_000));
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_said_so() {
    let fixture = Fixture::new();
    let mut command = fixture.shell("");
    command.program = "no-such-program".to_owned();
    let (exit, said) = fixture.run(&locked(), &command).await;
    assert!(
        !exit.success() && said.contains("no-such-program"),
        "{exit}: {said}"
    );
}

#[tokio::test]
async fn the_sandbox_knows_whether_it_works_here() {
    let fixture = Fixture::new();
    let (source, scratch) = (fixture.source(), fixture.folder.path().join("scratch"));
    locked().check(source.clone(), scratch.clone()).await.unwrap();
    let missing = with_tools(vec![PathBuf::from("/no/such/toolchain")]);
    let error = missing.check(source, scratch).await.unwrap_err().to_string();
    assert!(error.contains("/no/such/toolchain"), "{error}");
}

#[tokio::test]
async fn a_build_reads_no_variable_of_the_worker_anywhere() {
    let fixture = Fixture::new();
    let mut command = fixture.shell(
        "for file in /proc/*/environ; do tr '\\0' '\\n' < $file; done; tr '\\0' ' ' < /proc/1/cmdline
         ls /proc/1/root/ /proc/1/cwd/; cat /proc/1/root/etc/shadow 2>&1; cat /proc/keys",
    );
    command.environment.insert("MINE".to_owned(), "yes".to_owned());
    let (_, said) = fixture.run(&locked(), &command).await;
    assert!(said.contains("MINE=yes"), "{said}");
    for variable in std::env::vars()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("CARGO"))
    {
        assert!(!said.contains(&variable), "{variable} leaked: {said}");
    }
    assert!(!said.contains("root:"), "{said}");
}

#[tokio::test]
async fn a_variable_cannot_add_a_way_out_of_the_sandbox() {
    let fixture = Fixture::new();
    let outside = fixture.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let mut command = fixture.shell("ls /outside");
    let value = format!("x\0--bind\0{}\0/outside", outside.display());
    command.environment.insert("INNOCENT".to_owned(), value);
    let (sender, _receiver) = mpsc::channel(4);
    let refused = locked().run(&command, sender, &fixture.stop).await.unwrap_err();
    assert!(matches!(refused, tasks::Error::Start { .. }), "{refused}");
}

#[tokio::test]
async fn a_builds_variables_are_on_no_command_line() {
    let fixture = Fixture::new();
    let mut command = fixture.shell("echo ready; sleep 60");
    let value = format!("hunter{}", unlikely_seconds());
    command.environment.insert("PASSWORD".to_owned(), value.clone());
    let (sender, mut receiver) = mpsc::channel(4);
    let stop = CancellationToken::new();
    let sandbox = locked();
    let look = async {
        receiver.recv().await.unwrap();
        let processes = std::fs::read_dir("/proc").unwrap();
        let lines = processes.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
        let seen: Vec<_> = lines
            .map(|line| String::from_utf8_lossy(&line).into_owned())
            .filter(|line| line.contains(&value))
            .collect();
        stop.cancel();
        seen
    };
    let (exit, seen) = tokio::join!(sandbox.run(&command, sender, &stop), look);
    assert_eq!(exit.unwrap(), Exit::Cancelled);
    assert!(seen.is_empty(), "{seen:?}");
}

#[tokio::test]
async fn a_build_that_is_stopped_while_its_sandbox_is_still_made_leaves_nobody() {
    let fixture = Fixture::new();
    let mut markers = Vec::new();
    for step in 0..60 {
        let seconds = unlikely_seconds();
        let command = fixture.shell(&format!("sleep {seconds}"));
        let (sender, _receiver) = tokio::sync::mpsc::channel(4);
        let sandbox = locked();
        let run = sandbox.run(&command, sender, &fixture.stop);
        // Dropped at every moment of its first milliseconds.
        let stopped = tokio::time::timeout(std::time::Duration::from_micros(300 * step), run).await;
        assert!(stopped.is_err(), "it sleeps for years");
        markers.push(seconds);
    }
    for marker in markers {
        gone(&marker).await;
    }
}
