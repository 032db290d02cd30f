//! A build's log: live, searched, by line, and from the main store.

use crate::living::read_until;
use crate::support::{Console, TARGET, on_console};
use artifact_store::LogPacker;
use axum::http::{StatusCode, header};
use console::wire::{LOG_FINISHED_HEADER, LOG_NEXT_HEADER, LogSearch};
use database::jobs::{Claim, Dropped, LogArchive};
use model::BuildId;

/// A build that runs and has written this.
async fn written(console: &Console, log: &[u8]) -> Claim {
    console.enqueue(TARGET).await;
    let claim = console.claim().await;
    for (sequence, chunk) in (0..).zip(log.chunks(200_000)) {
        console
            .jobs
            .append_log(claim.build, claim.lease, sequence, chunk)
            .await
            .unwrap();
    }
    claim
}

/// Ends the build and moves its log to the store, as the archiver does.
async fn archive(console: &Console, claim: &Claim, log: &[u8], store_it: bool) {
    console.jobs.fail(claim.build, claim.lease, "no").await.unwrap();
    let mut packer = LogPacker::default();
    packer.push(log).unwrap();
    let packed = packer.finish(claim.build).unwrap();
    if store_it {
        console.store.put_log(&packed).await.unwrap();
    }
    let stored = packed.log().clone();
    let archive = LogArchive {
        object: stored.object,
        total_bytes: stored.total,
        frame_ends: stored.frame_ends,
    };
    assert!(console.jobs.archive_log(claim.build, &archive).await.unwrap());
}

fn numbers(count: u32) -> Vec<u8> {
    (1..=count)
        .flat_map(|number| format!("line {number}\n").into_bytes())
        .collect()
}

async fn search(console: &Console, build: BuildId, query: &str) -> LogSearch {
    console
        .get(&format!("/v1/builds/{build}/log/search?{query}"))
        .await
        .json()
}

#[test]
fn a_program_hears_a_log_live_and_goes_on_where_it_was() {
    on_console(async |console| {
        let claim = written(&console, "one\nhalf a \u{20ac}".as_bytes()).await;
        let path = format!("/v1/builds/{}/log/stream", claim.build);
        let mut stream = console.stream(&path).await;
        let first = read_until(&mut stream, "half a").await;
        assert!(first.contains("id: 14"), "{first}");
        console
            .jobs
            .append_log(claim.build, claim.lease, 1, b" more\n")
            .await
            .unwrap();
        let second = read_until(&mut stream, "more").await;
        assert!(second.contains(r#"{"from":14,"text":" more\n"}"#), "{second}");
        console.jobs.fail(claim.build, claim.lease, "no").await.unwrap();
        read_until(&mut stream, "event: end").await;

        let again = console.get_with(&path, "last-event-id", "14").await.body;
        assert!(again.contains(" more") && !again.contains("one"), "{again}");
    });
}

#[test]
fn a_log_reads_the_same_wherever_it_is() {
    on_console(async |console| {
        let log = numbers(300_000);
        let claim = written(&console, &log).await;
        let build = claim.build;
        let page = format!("/builds/{build}?line=150000");
        let part = format!("/v1/builds/{build}/log?from=2000000");
        let whole = format!("/builds/{build}/log/download");
        let before = [
            console.get(&page).await,
            console.get(&part).await,
            console.get(&whole).await,
        ];
        archive(&console, &claim, &log, true).await;
        let after = [
            console.get(&page).await,
            console.get(&part).await,
            console.get(&whole).await,
        ];
        let lines = |page: &str| {
            let from = page.find("<ol id=\"log\"").unwrap();
            page[from..][..page[from..].find("</ol>").unwrap()].to_owned()
        };
        assert_eq!(lines(&before[0].body), lines(&after[0].body));
        assert!(after[0].body.contains("id=\"L150000\""));
        assert_eq!(before[2].body, after[2].body);
        assert_eq!(after[2].body.as_bytes(), log);
        assert!(
            after[2]
                .header(header::CONTENT_DISPOSITION)
                .starts_with("attachment")
        );
        let next: usize = after[1].header(LOG_NEXT_HEADER).parse().unwrap();
        assert_eq!(after[1].body.as_bytes(), &log[2_000_000..next]);
        let end = console
            .get(&format!("/v1/builds/{build}/log?from={}", log.len()))
            .await;
        assert_eq!((end.body.as_str(), end.header(LOG_FINISHED_HEADER)), ("", "true"));
    });
}

#[test]
fn a_store_that_lost_a_log_costs_the_log_and_not_the_page() {
    on_console(async |console| {
        let claim = written(&console, b"gone\n").await;
        archive(&console, &claim, b"gone\n", false).await;
        let page = console.get(&format!("/builds/{}", claim.build)).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.body.contains("can\u{2019}t be shown now") && page.body.contains("FAILED"));
        let answer = console.get(&format!("/v1/builds/{}/log", claim.build)).await;
        insta::assert_snapshot!(answer.refusal(), @"
        503 store_away
        the object store is away, or does not give what it should
        ask again in a moment; nothing is lost
        ");
    });
}

#[test]
fn a_link_to_a_line_shows_it_however_long_the_log_grew() {
    on_console(async |console| {
        let claim = written(&console, &numbers(9_000)).await;
        let address = format!("/builds/{}", claim.build);
        let end = console.get(&address).await.body;
        assert!(end.contains("id=\"L9000\"") && !end.contains("id=\"L7000\""));
        assert!(end.contains("data-place=\"") && end.contains("Earlier lines"));

        let middle = console.get(&format!("{address}?line=4000")).await.body;
        assert!(middle.contains("href=\"?line=4000#L4000\"") && middle.contains(">line 4000<"));
        assert!(
            !middle.contains("data-place") && middle.contains("Later lines"),
            "it doesn't follow"
        );
        let first = console.get(&format!("{address}?line=1")).await.body;
        assert!(first.contains("id=\"L1\"") && !first.contains("Earlier lines"));
        let beyond = console.get(&format!("{address}?line=99999999999")).await;
        assert_eq!(beyond.status, StatusCode::OK);
    });
}

#[test]
fn a_log_is_searched_in_bounded_steps_and_what_is_found_is_marked() {
    on_console(async |console| {
        let mut log = numbers(500);
        log.extend(b"\x1b[31mErr\x1b[0mor <b>here</b>\n");
        let claim = written(&console, &log).await;
        let build = claim.build;
        let all = search(&console, build, "text=line").await;
        assert_eq!((all.matches.len(), all.matches[0].line), (200, 1));
        let rest = search(&console, build, &format!("text=line&place={}", all.next.unwrap())).await;
        assert_eq!(rest.matches[0].line, 201);
        let found = search(&console, build, "text=error%20%3C").await;
        assert_eq!((found.matches[0].line, found.next), (501, None));
        assert_eq!(found.matches[0].text, "Error <b>here</b>");
        assert!(search(&console, build, "text=eRROR").await.matches.is_empty());
        let bad = console.get(&format!("/v1/builds/{build}/log/search?text=")).await;
        assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);

        let page = console
            .get(&format!("/builds/{build}?search=error%20%3C"))
            .await
            .body;
        assert!(
            page.contains("href=\"?line=501&amp;search=error%20%3C#L501\""),
            "{page}"
        );
        assert!(!page.contains("<b>here"));
        assert!(page.contains("<mark>Err</mark><mark>or &#60;</mark>"), "{page}");
    });
}

#[test]
fn a_gap_is_loud_and_nothing_that_a_build_prints_is_taken_for_one() {
    on_console(async |console| {
        let notice = b"[starling] 3000000 bytes in 70000 lines of output were dropped here\n";
        let claim = written(&console, notice).await;
        let dropped = Dropped {
            bytes: 3_000_000,
            lines: 70_000,
        };
        console
            .jobs
            .append_log_gap(claim.build, claim.lease, 1, notice, dropped)
            .await
            .unwrap();
        let page = console.get(&format!("/builds/{}", claim.build)).await.body;
        assert!(page.contains("id=\"L1\" class=\"ours\""), "{page}");
        assert!(page.contains("id=\"L2\" class=\"gap\""), "{page}");
        assert!(page.contains("2.9 MiB in 70000 lines"), "{page}");
    });
}
