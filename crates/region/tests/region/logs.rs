//! Questions about the output of tasks.

use crate::support::{World, eventually};
use model::task_log::LogAnswer;

#[tokio::test]
async fn a_question_reaches_its_host_and_the_answer_comes_back() {
    let world = World::new().await;
    let manager = world.manager("manager-1").await;
    let agents = world.agents(1..=1, &manager).await;
    let said = "nothing of service beacon was ever started on this host";
    // The host is known once it has reported for the first time.
    let ids = std::cell::Cell::new(0);
    eventually("an answer of the host's own", async || {
        ids.set(ids.get() + 1);
        let answer = world.api.ask_log(ids.get(), agents[0].name.as_str()).await;
        (answer == LogAnswer::Refused(said.to_owned())).then_some(())
    })
    .await;
    let stranger = world.api.ask_log(ids.get() + 1, "host-99").await;
    let said = "region us-east-1 has not heard of host host-99 lately";
    assert_eq!(stranger, LogAnswer::Refused(said.to_owned()));
}
