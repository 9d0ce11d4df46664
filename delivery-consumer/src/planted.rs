//! What chaos builds may do wrong on purpose, so that a run can show that it finds it. In any
//! other build nothing of this is reached.

use std::time::Duration;

use bytes::Bytes;
use kafka_loop::producer::{Message, Producer};
use pipeline::subscription::Subscription;

use crate::courier::{Courier, Work};
use crate::decision;
use crate::lanes::CallEnd;

/// How much later than its offset a record is written.
const LATER: Duration = Duration::from_millis(400);

/// [`fault_point::Defect::FinishBeforeCall`].
pub(crate) async fn finish_before_call(
    courier: &Courier,
    work: Work,
    subscription: &Subscription,
) -> CallEnd {
    let Work { record, delivery, ticket } = work;
    ticket.finish();
    let made = courier.call(&delivery, subscription).await;
    let end = decision::call_end(&made);
    if let Err(error) = courier.write_after_call(&record, &delivery, subscription, made).await {
        tracing::error!(%error, "an effect was not written");
    }
    end
}

/// [`fault_point::Defect::RetryNotAwaited`].
pub(crate) fn write_later(producer: &Producer, topic: String, key: String, value: Bytes) {
    let producer = producer.clone();
    tokio::spawn(async move {
        tokio::time::sleep(LATER).await;
        let message = Message { topic: &topic, key: key.as_bytes(), value: &value, headers: &[] };
        if let Err(error) = producer.write(message).await {
            tracing::error!(%error, "a retry was not written");
        }
    });
}
