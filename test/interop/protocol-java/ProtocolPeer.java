import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.SplittableRandom;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.requests.RequestHeader;

/**
 * Apache Kafka's message classes behind a pipe: a request is a size, an operation, a class name, a
 * version and what the operation takes; the answer is a size, 0 or 1, and the result or an error's text.
 *
 * Messages are filled by reflection along Kafka's own schema of the version, so that whatever the
 * version has gets a value and nothing else does.
 */
public final class ProtocolPeer {
    private static final byte GENERATE = 1;
    private static final byte CHECK = 2;
    private static final byte REWRITE = 3;
    private static final byte DESCRIBE = 4;
    private static final byte HEADERS = 5;
    private static final byte ERRORS = 6;

    private static final int[] LENGTHS = {0, 1, 2, 7, 126, 127, 128, 129, 300};
    private static final int[] LONG_LENGTHS = {0, 1, 2, 127, 128, 4095, 4096, 20_000};
    private static final String[] LETTERS = {"a", "Z", "0", "-", "\u0000", "\u00e9", "\u20ac", "\ud834\udd1e"};
    /** Weir's int64 is a double without loss; its largest one stands for Kafka's 2^63-1 in one absent value. */
    private static final long SAFE = (1L << 53) - 2;

    public static void main(String[] args) throws IOException {
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16));
        DataOutputStream out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16));
        System.setOut(new PrintStream(System.err));
        while (true) {
            // Answers are sent when nothing more is waiting to be read.
            if (in.available() == 0) out.flush();
            byte[] request;
            try {
                request = in.readNBytes(in.readInt());
            } catch (java.io.EOFException end) {
                return;
            }
            byte status = 0;
            byte[] result;
            try {
                result = answer(ByteBuffer.wrap(request));
            } catch (Throwable thrown) {
                status = 1;
                result = String.valueOf(thrown).getBytes(StandardCharsets.UTF_8);
            }
            out.writeInt(result.length + 1);
            out.writeByte(status);
            out.write(result);
        }
    }

    private static byte[] answer(ByteBuffer request) throws Exception {
        byte operation = request.get();
        byte[] name = new byte[request.getShort()];
        request.get(name);
        short version = request.getShort();
        String className = new String(name, StandardCharsets.UTF_8);
        switch (operation) {
            case GENERATE:
                return bytesOf(generate(className, version, request.getLong()), version);
            case CHECK: {
                Message expected = generate(className, version, request.getLong());
                Message seen = read(className, version, request);
                if (!expected.equals(seen)) throw new AssertionError(expected + " is not " + seen);
                return new byte[0];
            }
            case REWRITE:
                return bytesOf(read(className, version, request), version);
            case DESCRIBE:
                return describe(create(className));
            case HEADERS:
                return headers(version, request);
            case ERRORS:
                return errors();
            default:
                throw new IllegalArgumentException("operation " + operation);
        }
    }

    private static Message create(String className) throws Exception {
        return (Message) Class.forName(className).getDeclaredConstructor().newInstance();
    }

    private static Message generate(String className, short version, long seed) throws Exception {
        Message message = create(className);
        fill(message, schemaOf(message.getClass(), version), version, new SplittableRandom(seed));
        return message;
    }

    private static Message read(String className, short version, ByteBuffer bytes) throws Exception {
        Message message = create(className);
        message.read(new ByteBufferAccessor(bytes.slice()), version);
        int size = message.size(new ObjectSerializationCache(), version);
        if (size != bytes.remaining()) {
            throw new AssertionError("read a message of " + size + " bytes, got " + bytes.remaining());
        }
        return message;
    }

    private static byte[] bytesOf(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        if (buffer.hasRemaining()) throw new AssertionError("wrote less than the size");
        return buffer.array();
    }

    /** Lowest and highest version, and the key (-1: none). */
    private static byte[] describe(Message message) {
        short key = message instanceof ApiMessage ? ((ApiMessage) message).apiKey() : -1;
        return ByteBuffer.allocate(6)
            .putShort(message.lowestSupportedVersion())
            .putShort(message.highestSupportedVersion())
            .putShort(key)
            .array();
    }

    /**
     * Takes an API key, a correlation id and our request header; parses that and gives back Kafka's own
     * request header, after an int16 size, then its response header.
     */
    private static byte[] headers(short version, ByteBuffer request) throws IOException {
        ApiKeys api = ApiKeys.forId(request.getShort());
        RequestHeader parsed = RequestHeader.parse(request.slice());
        if (parsed.apiKey() != api || parsed.apiVersion() != version) {
            throw new AssertionError("parsed " + parsed);
        }
        byte[] ours = bytesOf(
            new RequestHeader(api, version, parsed.clientId(), parsed.correlationId()).data(),
            api.requestHeaderVersion(version));
        ResponseHeaderData response = new ResponseHeaderData().setCorrelationId(parsed.correlationId());
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        DataOutputStream data = new DataOutputStream(out);
        data.writeShort(ours.length);
        data.write(ours);
        data.write(bytesOf(response, api.responseHeaderVersion(version)));
        return out.toByteArray();
    }

    /** A line for each: code, name, and whether clients retry it. */
    private static byte[] errors() {
        StringBuilder lines = new StringBuilder();
        for (Errors error : Errors.values()) {
            boolean retriable = error.exception() instanceof RetriableException;
            lines.append(error.code()).append(' ').append(error.name()).append(' ').append(retriable).append('\n');
        }
        return lines.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static Schema schemaOf(Class<?> type, short version) throws Exception {
        return (Schema) type.getField("SCHEMA_" + version).get(null);
    }

    private static void fill(Object target, Schema schema, short version, SplittableRandom random) throws Exception {
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields) {
                for (org.apache.kafka.common.protocol.types.Field tagged : ((TaggedFields) bound.def.type).fields().values()) {
                    if (random.nextInt(10) < 7) set(target, tagged, version, random);
                }
            } else {
                set(target, bound.def, version, random);
            }
        }
    }

    private static void set(
        Object target, org.apache.kafka.common.protocol.types.Field described, short version, SplittableRandom random
    ) throws Exception {
        Field field = fieldOf(target.getClass(), described.name);
        field.setAccessible(true);
        field.set(target, value(field, described.type, version, random));
    }

    /** Kafka's schemas have snake_case names, its classes camelCase. */
    private static Field fieldOf(Class<?> type, String name) {
        String wanted = name.replace("_", "");
        for (Field field : type.getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers()) && field.getName().equalsIgnoreCase(wanted)) return field;
        }
        throw new AssertionError(type + " has no field " + name);
    }

    private static Object value(Field field, Type type, short version, SplittableRandom random) throws Exception {
        if (type.isNullable() && random.nextInt(5) == 0) return null;
        Class<?> javaType = field.getType();
        if (Collection.class.isAssignableFrom(javaType)) return collection(field, version, type, random);
        Object scalar = scalar(javaType, type, random);
        if (scalar != null) return scalar;
        return struct(javaType, version, random);
    }

    private static Object struct(Class<?> type, short version, SplittableRandom random) throws Exception {
        Object value = type.getDeclaredConstructor().newInstance();
        fill(value, schemaOf(type, version), version, random);
        return value;
    }

    @SuppressWarnings("unchecked")
    private static Object collection(Field field, short version, Type type, SplittableRandom random) throws Exception {
        Class<?> javaType = field.getType();
        boolean list = javaType == List.class;
        ParameterizedType generic = (ParameterizedType) (list ? field.getGenericType() : javaType.getGenericSuperclass());
        Class<?> itemType = (Class<?>) generic.getActualTypeArguments()[0];
        Collection<Object> items = list
            ? new ArrayList<>()
            : (Collection<Object>) javaType.getDeclaredConstructor().newInstance();
        Type element = type.arrayElementType().orElseThrow();
        for (int left = random.nextInt(4); left > 0; left--) {
            Object scalar = scalar(itemType, element, random);
            items.add(scalar != null ? scalar : struct(itemType, version, random));
        }
        return items;
    }

    /** Null when the type is no scalar. */
    private static Object scalar(Class<?> javaType, Type type, SplittableRandom random) {
        if (javaType == boolean.class || javaType == Boolean.class) return random.nextBoolean();
        if (javaType == byte.class || javaType == Byte.class) return (byte) integer(random, Byte.MIN_VALUE, Byte.MAX_VALUE);
        if (javaType == short.class || javaType == Short.class) {
            return (short) integer(random, Short.MIN_VALUE, Short.MAX_VALUE);
        }
        if (javaType == int.class || javaType == Integer.class) {
            boolean unsigned = type == Type.UINT16;
            return (int) (unsigned ? integer(random, 0, 0xffff) : integer(random, Integer.MIN_VALUE, Integer.MAX_VALUE));
        }
        if (javaType == long.class || javaType == Long.class) {
            return type == Type.UNSIGNED_INT32 ? integer(random, 0, 0xffff_ffffL) : integer(random, -SAFE, SAFE);
        }
        if (javaType == double.class || javaType == Double.class) return random.nextDouble();
        if (javaType == String.class) return text(random);
        if (javaType == Uuid.class) {
            return random.nextInt(5) == 0 ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
        }
        if (javaType == byte[].class) return bytes(random);
        if (javaType == ByteBuffer.class) return ByteBuffer.wrap(bytes(random));
        if (javaType.isAssignableFrom(MemoryRecords.class)) return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes(random)));
        return null;
    }

    private static long integer(SplittableRandom random, long low, long high) {
        switch (random.nextInt(6)) {
            case 0: return low;
            case 1: return high;
            case 2: return Math.max(low, -1);
            case 3: return random.nextLong(0, 100);
            default: return random.nextLong(low, high);
        }
    }

    private static String text(SplittableRandom random) {
        StringBuilder text = new StringBuilder();
        for (int left = LENGTHS[random.nextInt(LENGTHS.length)]; left > 0; left--) {
            text.append(LETTERS[random.nextInt(LETTERS.length)]);
        }
        return text.toString();
    }

    private static byte[] bytes(SplittableRandom random) {
        byte[] bytes = new byte[LONG_LENGTHS[random.nextInt(LONG_LENGTHS.length)]];
        random.nextBytes(bytes);
        return bytes;
    }
}
