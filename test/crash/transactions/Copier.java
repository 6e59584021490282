import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Copies a topic to another one exactly once, with Apache Kafka's own clients: each batch that it
 * reads is written, and its offsets are committed, in one transaction, and every third one is
 * aborted and done again. What fails is aborted; where that fails, too, the producer is made anew.
 *
 * copy BOOTSTRAP FROM TO ID COUNT PROTOCOL BATCH: until COUNT records are copied by everybody together,
 * up to BATCH in a transaction; PROTOCOL is that of their group.
 * fill BOOTSTRAP TO COUNT PARTITIONS: writes what is to be copied.
 * check BOOTSTRAP TO COUNT: reads what is committed; prints what is missing, repeated, out of order.
 */
public class Copier {
  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "copy" -> copy(args[1], args[2], args[3], args[4], Long.parseLong(args[5]), args[6], args[7]);
      case "fill" -> fill(args[1], args[2], Integer.parseInt(args[3]), Integer.parseInt(args[4]));
      case "check" -> check(args[1], args[2], Integer.parseInt(args[3]));
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  static Properties common(String bootstrap) {
    Properties p = new Properties();
    p.put("bootstrap.servers", bootstrap);
    p.put("key.serializer", StringSerializer.class.getName());
    p.put("value.serializer", StringSerializer.class.getName());
    p.put("key.deserializer", StringDeserializer.class.getName());
    p.put("value.deserializer", StringDeserializer.class.getName());
    return p;
  }

  static KafkaProducer<String, String> producer(String bootstrap, String id) {
    Properties p = common(bootstrap);
    p.put("transactional.id", id);
    p.put("transaction.timeout.ms", "10000");
    p.put("delivery.timeout.ms", "20000");
    p.put("request.timeout.ms", "5000");
    p.put("max.block.ms", "20000");
    return new KafkaProducer<>(p);
  }

  static KafkaConsumer<String, String> consumer(String bootstrap, String group) {
    return consumer(bootstrap, group, "classic", "500");
  }

  static KafkaConsumer<String, String> consumer(String bootstrap, String group, String protocol, String batch) {
    Properties p = common(bootstrap);
    if (group != null) p.put("group.id", group);
    p.put("enable.auto.commit", "false");
    p.put("auto.offset.reset", "earliest");
    p.put("isolation.level", "read_committed");
    p.put("group.protocol", protocol);
    // The broker's to say for groups of the consumer protocol.
    if (protocol.equals("classic")) p.put("session.timeout.ms", "6000");
    p.put("max.poll.records", batch);
    return new KafkaConsumer<>(p);
  }

  static void fill(String bootstrap, String to, int count, int partitions) throws Exception {
    Properties p = common(bootstrap);
    p.put("acks", "all");
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(p)) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        sent.add(producer.send(new ProducerRecord<>(to, i % partitions, null, String.valueOf(i))));
      }
      for (Future<RecordMetadata> one : sent) one.get();
    }
    System.out.println("{\"filled\":" + count + "}");
  }

  static void copy(String bootstrap, String from, String to, String id, long count, String protocol, String batch)
      throws Exception {
    KafkaConsumer<String, String> consumer = consumer(bootstrap, "copier", protocol, batch);
    KafkaProducer<String, String> producer = null;
    consumer.subscribe(List.of(from));
    Random random = new Random(id.hashCode());
    long transactions = 0;
    long aborted = 0;
    long failed = 0;
    while (true) {
      ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
      if (records.isEmpty()) {
        if (isDone(bootstrap, from, count)) break;
        continue;
      }
      try {
        if (producer == null) {
          producer = producer(bootstrap, id);
          producer.initTransactions();
        }
        producer.beginTransaction();
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (ConsumerRecord<String, String> record : records) {
          producer.send(new ProducerRecord<>(to, record.partition(), null, record.value()));
          TopicPartition partition = new TopicPartition(record.topic(), record.partition());
          offsets.put(partition, new OffsetAndMetadata(record.offset() + 1));
        }
        ConsumerGroupMetadata member = consumer.groupMetadata();
        producer.sendOffsetsToTransaction(offsets, member);
        transactions++;
        if (random.nextInt(3) == 0) {
          aborted++;
          producer.abortTransaction();
          rewind(consumer);
        } else producer.commitTransaction();
      } catch (KafkaException error) {
        failed++;
        System.err.println(error);
        producer = restarted(producer);
        rewind(consumer);
      }
    }
    if (producer != null) producer.close(Duration.ofSeconds(5));
    consumer.close();
    System.out.println("{\"transactions\":" + transactions + ",\"aborted\":" + aborted + ",\"failed\":" + failed + "}");
  }

  /** The producer, if it can go on after the abort; else it is made anew, and fences itself. */
  static KafkaProducer<String, String> restarted(KafkaProducer<String, String> producer) {
    if (producer == null) return null;
    try {
      producer.abortTransaction();
      return producer;
    } catch (KafkaException error) {
      producer.close(Duration.ZERO);
      return null;
    }
  }

  /** To what is committed: what was read since was not copied. */
  static void rewind(KafkaConsumer<String, String> consumer) {
    while (true) {
      try {
        Set<TopicPartition> assigned = consumer.assignment();
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(assigned, Duration.ofSeconds(20));
        for (TopicPartition partition : assigned) {
          OffsetAndMetadata offset = committed.get(partition);
          if (offset == null) consumer.seekToBeginning(List.of(partition));
          else consumer.seek(partition, offset.offset());
        }
        return;
      } catch (KafkaException error) {
        System.err.println("rewind: " + error);
      }
    }
  }

  static boolean isDone(String bootstrap, String from, long count) {
    try (KafkaConsumer<String, String> probe = consumer(bootstrap, "copier")) {
      Collection<TopicPartition> partitions = new ArrayList<>();
      probe.partitionsFor(from).forEach((p) -> partitions.add(new TopicPartition(from, p.partition())));
      long sum = 0;
      for (OffsetAndMetadata offset : probe.committed(new HashSet<>(partitions)).values()) {
        if (offset != null) sum += offset.offset();
      }
      return sum >= count;
    } catch (KafkaException error) {
      return false;
    }
  }

  static void check(String bootstrap, String to, int count) throws Exception {
    try (KafkaConsumer<String, String> consumer = consumer(bootstrap, null)) {
      List<TopicPartition> partitions = new ArrayList<>();
      consumer.partitionsFor(to).forEach((p) -> partitions.add(new TopicPartition(to, p.partition())));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      Map<Integer, Integer> last = new HashMap<>();
      Set<Integer> seen = new HashSet<>();
      int repeated = 0;
      int disordered = 0;
      while (partitions.stream().anyMatch((p) -> consumer.position(p) < ends.get(p))) {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
          int value = Integer.parseInt(record.value());
          if (!seen.add(value)) repeated++;
          if (last.getOrDefault(record.partition(), -1) > value) disordered++;
          last.put(record.partition(), value);
        }
      }
      System.out.println("{\"missing\":" + (count - seen.size()) + ",\"repeated\":" + repeated + ",\"disordered\":" + disordered + "}");
    }
  }
}
