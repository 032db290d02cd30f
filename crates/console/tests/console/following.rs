//! What tasks write, brought by a region's manager.

use crate::living::read_until;
use crate::support::{Answer, Console, ENGINEER, MANAGER, as_engineer, on_console};
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use console::wire::TaskLog;
use model::ReleaseNumber;
use model::task_log::{LogAnswer, LogPart, LogStart, LogsAsked};

fn part(text: &str, next: u64) -> LogAnswer {
    LogAnswer::Part(LogPart {
        release: ReleaseNumber(3),
        newest: ReleaseNumber(4),
        gone_bytes: 0,
        text: text.to_owned(),
        next,
        end: next,
    })
}

async fn asked(console: &Console, secret: &str) -> Answer {
    let request = Request::get("/v1/regions/east/logs/asked?wait_seconds=20")
        .header(header::AUTHORIZATION, format!("Bearer {secret}"));
    console.ask(request, Body::empty()).await
}

/// Takes the next question as the manager of `east`, and answers it. What was asked, in words.
async fn manage(console: &Console, answer: LogAnswer) -> String {
    let questions: LogsAsked = asked(console, MANAGER).await.json();
    let [asked] = questions.asked.as_slice() else {
        panic!("not one question: {questions:?}");
    };
    let taken = console
        .post_as(MANAGER, &format!("/v1/regions/east/logs/{}", asked.id), &answer)
        .await;
    assert_eq!(taken.status, StatusCode::NO_CONTENT, "{taken:?}");
    let (host, question) = (&asked.host, &asked.question);
    format!("{} on {host}, {:?}", question.service, question.start)
}

#[test]
fn what_an_engineer_asks_is_answered_by_the_regions_manager() {
    on_console(async |console| {
        let path = "/v1/services/web/log?host=east-1&region=east&tail=7";
        let (answer, question) = tokio::join!(console.get(path), manage(&console, part("hello\n", 6)));
        assert_eq!(question, "web on east-1, Tail(7)");
        let log: TaskLog = answer.json();
        assert_eq!((log.part.text.as_str(), log.part.next), ("hello\n", 6));
        let path = "/v1/services/web/log?host=east-1&region=east&release=3&from=6";
        let refusal = LogAnswer::Refused("it is not kept".to_owned());
        let (answer, question) = tokio::join!(console.get(path), manage(&console, refusal));
        assert_eq!(question, format!("web on east-1, {:?}", LogStart::At(6)));
        insta::assert_snapshot!(answer.refusal(), @"
        404 no_log
        it is not kept
        name another release or host, or ask again in a moment
        ");
    });
}

#[test]
fn only_engineers_ask_and_only_the_regions_manager_answers() {
    on_console(async |console| {
        assert_eq!(asked(&console, ENGINEER).await.status, StatusCode::FORBIDDEN);
        let answers = "/v1/regions/east/logs/1";
        let late = console.post_as(MANAGER, answers, &part("", 0)).await;
        assert_eq!(late.status, StatusCode::GONE);
        let stranger = console.post_as(ENGINEER, answers, &part("", 0)).await;
        assert_eq!(stranger.status, StatusCode::FORBIDDEN);
        let other = console
            .post_as(MANAGER, "/v1/regions/west/logs/1", &part("", 0))
            .await;
        assert_eq!(other.status, StatusCode::FORBIDDEN);
        for path in [
            "/v1/services/web/log?host=east-1",
            "/services/web/log?host=east-1",
        ] {
            let manager = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {MANAGER}"));
            assert_eq!(
                console.ask(manager, Body::empty()).await.status,
                StatusCode::FORBIDDEN
            );
            let nobody = console.ask(Request::get(path), Body::empty()).await;
            assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
        }
        insta::assert_snapshot!(console.get("/v1/services/web/log?host=east-1").await.refusal(), @"
        404 no_instance
        service web has nothing on host east-1
        list hosts and what they run with `starling instances`; name the region of a host that has not reported yet
        ");
    });
}

#[test]
fn a_page_shows_the_output_as_text_and_goes_on_as_more_comes() {
    on_console(async |console| {
        let path = "/services/web/log?host=east-1&region=east";
        let evil = part(
            "[starling] release 3 starts\n<script>alert(1)</script>\n\u{1b}[31mred\u{1b}[0m\n",
            90,
        );
        let (page, question) = tokio::join!(console.get(path), manage(&console, evil));
        assert_eq!(question, "web on east-1, Tail(1000)");
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        assert!(
            page.body.contains("&#60;script&#62;alert(1)&#60;/script&#62;"),
            "{}",
            page.body
        );
        assert!(
            page.body.contains(r#"data-place="90""#) && page.body.contains(r#"class="f1""#),
            "{}",
            page.body
        );
        assert!(
            page.body.contains("Release 4 was started here since"),
            "{}",
            page.body
        );

        let path = "/services/web/log/live?host=east-1&region=east&release=3&place=90";
        let (mut stream, question) = tokio::join!(console.stream(path), manage(&console, part("more\n", 95)));
        assert_eq!(question, format!("web on east-1, {:?}", LogStart::At(90)));
        let news = read_until(&mut stream, "<code>more</code>").await;
        assert!(news.contains("event: log") && news.contains("id: 95"), "{news}");
        let (_, question) = tokio::join!(
            read_until(&mut stream, "<code>and more</code>"),
            manage(&console, part("and more\n", 104))
        );
        assert_eq!(question, format!("web on east-1, {:?}", LogStart::At(95)));
        drop(stream);
        let again = as_engineer(Request::get(path)).header("last-event-id", "104");
        let live = console.ask(again, Body::empty());
        let question = tokio::select! {
            _ = live => panic!("a stream that nobody ends"),
            question = manage(&console, part("", 104)) => question,
        };
        assert_eq!(question, format!("web on east-1, {:?}", LogStart::At(104)));
    });
}
