import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command line tools in one JVM, each on a thread of its own, as many at a time as are asked for.
 *
 * A line asks: a number, the class with the `main`, and its arguments, separated by tabs. A line answers when the
 * tool has ended: the number, its exit code, and what it wrote to both outputs, in Base64.
 */
public final class ToolShell {
    private static final InheritableThreadLocal<ByteArrayOutputStream> OUT = new InheritableThreadLocal<>();
    private static final InheritableThreadLocal<ByteArrayOutputStream> ERR = new InheritableThreadLocal<>();
    private static final InheritableThreadLocal<CompletableFuture<Integer>> END = new InheritableThreadLocal<>();

    /** Threads that a tool starts write to where the tool does. */
    private static PrintStream routed(ThreadLocal<ByteArrayOutputStream> to) {
        return new PrintStream(new OutputStream() {
            @Override
            public void write(int b) {
                ByteArrayOutputStream bytes = to.get();
                if (bytes != null) bytes.write(b);
            }
            @Override
            public void write(byte[] b, int from, int length) {
                ByteArrayOutputStream bytes = to.get();
                if (bytes != null) bytes.write(b, from, length);
            }
        }, true, StandardCharsets.UTF_8);
    }

    /** Ends a tool in place of the JVM: nothing of it runs after that, not even what handles errors. */
    private static void exit(int code) {
        CompletableFuture<Integer> end = END.get();
        if (end != null) end.complete(code);
        while (true) LockSupport.park();
    }

    private static void run(String[] words) {
        try {
            Object arguments = Arrays.copyOfRange(words, 2, words.length);
            Class.forName(words[1]).getMethod("main", String[].class).invoke(null, arguments);
            END.get().complete(0);
        } catch (InvocationTargetException e) {
            e.getCause().printStackTrace();
            END.get().complete(1);
        } catch (ReflectiveOperationException e) {
            e.printStackTrace();
            END.get().complete(1);
        }
    }

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        System.setOut(routed(OUT));
        System.setErr(routed(ERR));
        Exit.setExitProcedure((code, message) -> exit(code));
        Exit.setHaltProcedure((code, message) -> exit(code));
        Exit.setShutdownHookAdder((name, hook) -> { });
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split("\t", -1);
            Thread tool = new Thread(() -> {
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                ByteArrayOutputStream err = new ByteArrayOutputStream();
                CompletableFuture<Integer> end = new CompletableFuture<>();
                OUT.set(out);
                ERR.set(err);
                END.set(end);
                end.thenAccept(code -> {
                    Base64.Encoder encoder = Base64.getEncoder();
                    String texts = encoder.encodeToString(out.toByteArray()) + "\t"
                        + encoder.encodeToString(err.toByteArray());
                    answers.println(words[0] + "\t" + code + "\t" + texts);
                });
                run(words);
            });
            tool.setDaemon(true);
            tool.start();
        }
        Runtime.getRuntime().halt(0);
    }
}
