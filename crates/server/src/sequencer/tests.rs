use super::*;
use crate::testing::{ask, say};
use lamparina_protocol::Audience;

fn asked(pseq: u64, bytes: usize) -> Vec<Asked> {
    vec![ask(1, say(pseq, Audience::All, &"x".repeat(bytes)))]
}

#[tokio::test]
async fn a_full_queue_gives_back_and_then_takes_in_order() {
    let queue = Arc::new(Embedded::new());
    let mut taken = 0;
    let refused = loop {
        match queue.try_submit(asked(taken, 256 * 1024)) {
            Ok(()) => taken += 1,
            Err(NotTaken(refused)) => break refused,
        }
    };
    assert_eq!(refused, asked(taken, 256 * 1024));
    let waiting = tokio::spawn(queue.clone().submit(refused));
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let (mut batch, mut batches) = (Vec::new(), 0);
    while batch.len() <= taken as usize {
        assert!(queue.next(&mut batch).await);
        batches += 1;
        tokio::task::yield_now().await;
    }
    waiting.await.unwrap();
    assert!(batches >= 4, "{batches} batches");
    let order: Vec<Asked> = (0..=taken)
        .flat_map(|pseq| asked(pseq, 256 * 1024))
        .collect();
    assert_eq!(batch, order);
}

#[tokio::test]
async fn what_waits_at_the_end_is_still_given_out() {
    let queue = Arc::new(Embedded::new());
    queue.try_submit(asked(1, 1)).unwrap();
    queue.close();
    assert!(queue.try_submit(asked(2, 1)).is_err());
    queue.clone().submit(asked(3, 1)).await;
    let mut batch = Vec::new();
    assert!(queue.next(&mut batch).await);
    assert!(!queue.next(&mut batch).await);
    assert_eq!(batch, asked(1, 1));
}
