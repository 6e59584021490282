import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.LongSerializer;

/**
 * A producer of numbers and a group of two consumers, who keep the books on what they were promised.
 * Takes commands, one a line, and answers each with one line:
 *
 *   mark
 *   status   acknowledged, consumed, errors, and the longest time that a partition was without an
 *            acknowledgement since the last mark, in milliseconds
 *   pause    no more records are sent; answers when all that were sent have their outcome
 *   resume
 *   verify   reads the whole topic and compares it with the books
 *   end
 */
public final class Workload {
    static final int UNKNOWN = -1;
    final String bootstrap;
    final String topic;
    final int partitions;
    final String acks;
    final int perSecond;

    /** By partition: numbers that were acknowledged; all of them were sent in order. */
    final List<BitSet> acknowledged = new ArrayList<>();
    final List<BitSet> consumed = new ArrayList<>();
    final Map<TopicPartition, Long> committed = new ConcurrentHashMap<>();
    final List<String> errors = java.util.Collections.synchronizedList(new ArrayList<>());
    final List<String> faults = java.util.Collections.synchronizedList(new ArrayList<>());
    final AtomicLong outstanding = new AtomicLong();
    final AtomicLong acknowledgements = new AtomicLong();
    final AtomicLong consumptions = new AtomicLong();
    final java.util.concurrent.atomic.AtomicLongArray lastAckAt;
    volatile long longestGap;
    volatile boolean paused;
    volatile boolean ended;

    Workload(String[] args) {
        bootstrap = args[0];
        topic = args[1];
        partitions = Integer.parseInt(args[2]);
        acks = args[3];
        perSecond = Integer.parseInt(args[4]);
        lastAckAt = new java.util.concurrent.atomic.AtomicLongArray(partitions);
        mark();
        for (int i = 0; i < partitions; i++) {
            acknowledged.add(new BitSet());
            consumed.add(new BitSet());
        }
    }

    void mark() {
        for (int i = 0; i < partitions; i++) lastAckAt.set(i, System.nanoTime());
        longestGap = 0;
    }

    void produce() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("acks", acks);
        properties.put("enable.idempotence", String.valueOf(acks.equals("all")));
        properties.put("linger.ms", "2");
        properties.put("request.timeout.ms", "5000");
        properties.put("delivery.timeout.ms", "240000");
        properties.put("max.block.ms", "240000");
        properties.put("metadata.recovery.strategy", "rebootstrap");
        long[] next = new long[partitions];
        long sent = 0;
        try (KafkaProducer<Long, Long> producer =
                new KafkaProducer<>(properties, new LongSerializer(), new LongSerializer())) {
            long startedAt = System.nanoTime();
            while (!ended) {
                if (paused) {
                    producer.flush();
                    Thread.sleep(5);
                    startedAt = System.nanoTime();
                    sent = 0;
                    continue;
                }
                if (sent * 1_000_000_000L > (System.nanoTime() - startedAt) * (double) perSecond) {
                    Thread.sleep(1);
                    continue;
                }
                int partition = (int) (sent++ % partitions);
                long number = next[partition]++;
                outstanding.incrementAndGet();
                producer.send(new ProducerRecord<>(topic, partition, number, number), (metadata, error) -> {
                    if (error == null) {
                        long now = System.nanoTime();
                        longestGap = Math.max(longestGap, now - lastAckAt.getAndSet(partition, now));
                        synchronized (acknowledged) {
                            acknowledged.get(partition).set((int) number);
                        }
                        acknowledgements.incrementAndGet();
                    } else {
                        errors.add("produce " + partition + "/" + number + ": " + error);
                    }
                    outstanding.decrementAndGet();
                });
            }
        } catch (Exception error) {
            errors.add("producer: " + error);
        }
    }

    void consume(String name) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("group.id", topic + "-group");
        properties.put("client.id", name);
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("session.timeout.ms", "10000");
        properties.put("heartbeat.interval.ms", "1000");
        properties.put("request.timeout.ms", "5000");
        properties.put("default.api.timeout.ms", "240000");
        properties.put("metadata.recovery.strategy", "rebootstrap");
        try (KafkaConsumer<Long, Long> consumer =
                new KafkaConsumer<>(properties, new LongDeserializer(), new LongDeserializer())) {
            consumer.subscribe(List.of(topic), new org.apache.kafka.clients.consumer.ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(java.util.Collection<TopicPartition> revoked) {}

                @Override
                public void onPartitionsAssigned(java.util.Collection<TopicPartition> assigned) {
                    for (TopicPartition partition : assigned) {
                        long position = consumer.position(partition);
                        long promised = committed.getOrDefault(partition, 0L);
                        if (position < promised) {
                            faults.add("committed offset of " + partition + " went back from " + promised + " to " + position);
                        }
                    }
                }
            });
            while (!ended) {
                try {
                    ConsumerRecords<Long, Long> records = consumer.poll(Duration.ofMillis(200));
                    for (ConsumerRecord<Long, Long> record : records) {
                        synchronized (consumed) {
                            consumed.get(record.partition()).set(record.value().intValue());
                        }
                        consumptions.incrementAndGet();
                    }
                    if (records.isEmpty()) continue;
                    Map<TopicPartition, OffsetAndMetadata> offsets = records.nextOffsets();
                    consumer.commitSync(offsets);
                    offsets.forEach((partition, offset) -> committed.merge(partition, offset.offset(), Math::max));
                } catch (CommitFailedException | RebalanceInProgressException error) {
                    // The partitions are another member's now: what every consumer must expect.
                } catch (RetriableException error) {
                    // Applications try again, as these are for.
                }
            }
        } catch (WakeupException error) {
            // The end.
        } catch (Exception error) {
            errors.add(name + ": " + error);
        }
    }

    /** Reads everything, by itself, and compares. */
    String verify() throws InterruptedException {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("default.api.timeout.ms", "120000");
        long lost = 0;
        long duplicates = 0;
        long disordered = 0;
        long records = 0;
        StringBuilder first = new StringBuilder();
        try (KafkaConsumer<Long, Long> consumer =
                new KafkaConsumer<>(properties, new LongDeserializer(), new LongDeserializer())) {
            List<TopicPartition> all = new ArrayList<>();
            for (int i = 0; i < partitions; i++) all.add(new TopicPartition(topic, i));
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            BitSet[] seen = new BitSet[partitions];
            long[] last = new long[partitions];
            for (int i = 0; i < partitions; i++) {
                seen[i] = new BitSet();
                last[i] = UNKNOWN;
            }
            while (all.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                for (ConsumerRecord<Long, Long> record : consumer.poll(Duration.ofMillis(200))) {
                    int partition = record.partition();
                    long number = record.value();
                    records++;
                    if (seen[partition].get((int) number)) {
                        duplicates++;
                        note(first, "twice", partition, number, record.offset());
                    } else if (number < last[partition]) {
                        disordered++;
                        note(first, "out of order", partition, number, record.offset());
                    }
                    seen[partition].set((int) number);
                    last[partition] = Math.max(last[partition], number);
                }
            }
            for (int i = 0; i < partitions; i++) {
                BitSet missing;
                synchronized (acknowledged) {
                    missing = (BitSet) acknowledged.get(i).clone();
                }
                missing.andNot(seen[i]);
                lost += missing.cardinality();
                if (!missing.isEmpty()) note(first, "lost", i, missing.nextSetBit(0), UNKNOWN);
            }
        }
        long unread = 0;
        // The group may still be behind.
        for (int tries = 0; tries < 600; tries++) {
            unread = 0;
            for (int i = 0; i < partitions; i++) {
                BitSet missing;
                synchronized (acknowledged) {
                    missing = (BitSet) acknowledged.get(i).clone();
                }
                synchronized (consumed) {
                    missing.andNot(consumed.get(i));
                }
                unread += missing.cardinality();
            }
            if (unread == 0) break;
            Thread.sleep(100);
        }
        return "{\"acknowledged\":" + acknowledgements.get() + ",\"records\":" + records + ",\"lost\":" + lost
                + ",\"duplicates\":" + duplicates + ",\"disordered\":" + disordered + ",\"unread\":" + unread
                + ",\"first\":" + quote(first.toString()) + ",\"faults\":" + list(faults) + ",\"errors\":" + list(errors) + "}";
    }

    static void note(StringBuilder text, String what, int partition, long number, long offset) {
        if (text.length() > 1000) return;
        text.append(what).append(' ').append(partition).append('/').append(number).append(" at ").append(offset).append("; ");
    }

    static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') quoted.append('\\').append(c);
            else if (c < ' ') quoted.append(' ');
            else quoted.append(c);
        }
        return quoted.append('"').toString();
    }

    static String list(List<String> texts) {
        synchronized (texts) {
            StringBuilder list = new StringBuilder("[");
            for (int i = 0; i < Math.min(texts.size(), 20); i++) {
                if (i > 0) list.append(',');
                list.append(quote(texts.get(i)));
            }
            return list.append(']').toString();
        }
    }

    String status() {
        long gap = longestGap;
        for (int i = 0; i < partitions; i++) gap = Math.max(gap, System.nanoTime() - lastAckAt.get(i));
        return "{\"acknowledged\":" + acknowledgements.get() + ",\"consumed\":" + consumptions.get()
                + ",\"gapMs\":" + gap / 1_000_000 + ",\"errors\":" + list(errors) + ",\"faults\":" + list(faults) + "}";
    }

    void run() throws Exception {
        List<Thread> threads = new ArrayList<>();
        threads.add(new Thread(this::produce, "producer"));
        for (int i = 0; i < 2; i++) {
            String name = "member-" + i;
            threads.add(new Thread(() -> consume(name), name));
        }
        for (Thread thread : threads) thread.start();
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String command = commands.readLine(); command != null; command = commands.readLine()) {
            switch (command) {
                case "mark" -> {
                    mark();
                    System.out.println("{}");
                }
                case "status" -> System.out.println(status());
                case "pause" -> {
                    paused = true;
                    Thread.sleep(20);
                    while (outstanding.get() > 0) Thread.sleep(5);
                    System.out.println(status());
                }
                case "resume" -> {
                    mark();
                    paused = false;
                    System.out.println("{}");
                }
                case "verify" -> System.out.println(verify());
                default -> {
                    ended = true;
                    for (Thread thread : threads) thread.join(10_000);
                    System.out.println("{}");
                    System.out.flush();
                    System.exit(0);
                }
            }
            System.out.flush();
        }
        System.exit(0);
    }

    public static void main(String[] args) throws Exception {
        new Workload(args).run();
    }
}
