// SPDX-License-Identifier: MIT
// Curator's clients and locks, told by lines of JSON what to do. What belongs to one lock is done in order by one thread: Curator's locks belong to threads.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.retry.RetryNTimes;

public final class CuratorDriver {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream ANSWERS = System.out;
    private static final List<Client> CLIENTS = new CopyOnWriteArrayList<>();
    private static final List<Lock> LOCKS = new CopyOnWriteArrayList<>();

    private static final class Client {
        final CuratorFramework curator;
        private final List<String> states = new ArrayList<>();

        Client(CuratorFramework curator) {
            this.curator = curator;
            curator.getConnectionStateListenable().addListener((self, now) -> {
                switch (now) {
                    case CONNECTED, RECONNECTED -> become("connected");
                    case SUSPENDED -> become("suspended");
                    case LOST -> become("lost");
                    default -> { }
                }
            });
        }

        synchronized List<String> states() {
            return List.copyOf(states);
        }

        synchronized void reaches(String wanted) throws InterruptedException {
            while (states.isEmpty() || !states.get(states.size() - 1).equals(wanted)) wait();
        }

        private synchronized void become(String now) {
            states.add(now);
            notifyAll();
        }
    }

    private record Lock(InterProcessLock curator, ExecutorService thread) { }

    private interface Work {
        Object run() throws Exception;
    }

    public static void main(String[] args) throws Exception {
        ExecutorService others = Executors.newCachedThreadPool();
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = requests.readLine()) != null; ) {
            JsonNode request = JSON.readTree(line);
            ExecutorService thread = request.has("lock") ? LOCKS.get(request.get("lock").asInt()).thread : others;
            thread.execute(() -> answer(request.get("id").asInt(), () -> carryOut(request)));
        }
        System.exit(0);
    }

    private static void answer(int id, Work work) {
        Map<String, Object> said = new HashMap<>();
        said.put("id", id);
        try {
            said.put("answer", work.run());
        } catch (Throwable error) {
            said.put("error", Map.of("name", error.getClass().getSimpleName(), "message", String.valueOf(error.getMessage())));
        }
        try {
            String line = JSON.writeValueAsString(said);
            synchronized (ANSWERS) {
                ANSWERS.println(line);
                ANSWERS.flush();
            }
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private static Object carryOut(JsonNode request) throws Exception {
        switch (request.get("do").asText()) {
            case "hello":
                return null;
            case "connect":
                return connect(request);
            case "states":
                return client(request).states();
            case "reaches":
                client(request).reaches(request.get("state").asText());
                return null;
            case "close":
                client(request).curator.close();
                return null;
            case "lock":
                return makeLock(request);
            case "acquire":
                return acquire(LOCKS.get(request.get("lock").asInt()).curator, request.get("timeoutMs"));
            case "release":
                LOCKS.get(request.get("lock").asInt()).curator.release();
                return null;
            default:
                throw new IllegalArgumentException(request.toString());
        }
    }

    private static Client client(JsonNode request) {
        return CLIENTS.get(request.get("client").asInt());
    }

    private static Object connect(JsonNode request) throws Exception {
        CuratorFrameworkFactory.Builder builder = CuratorFrameworkFactory.builder()
            .connectString(request.get("hosts").asText())
            .sessionTimeoutMs(request.get("sessionTimeoutMs").asInt())
            .connectionTimeoutMs(10_000)
            .retryPolicy(new RetryNTimes(100, 100));
        if (!request.get("auth").isNull()) builder.authorization("digest", request.get("auth").asText().getBytes("UTF-8"));
        Client client = new Client(builder.build());
        client.curator.start();
        if (!client.curator.blockUntilConnected(10, TimeUnit.SECONDS)) {
            client.curator.close();
            throw new java.util.concurrent.TimeoutException("no session within 10 s");
        }
        client.reaches("connected");
        String session = Long.toHexString(client.curator.getZookeeperClient().getZooKeeper().getSessionId());
        synchronized (CLIENTS) {
            CLIENTS.add(client);
            return Map.of("client", CLIENTS.size() - 1, "session", session);
        }
    }

    private static int makeLock(JsonNode request) {
        CuratorFramework curator = client(request).curator;
        String path = request.get("path").asText();
        InterProcessLock lock = switch (request.get("kind").asText()) {
            case "InterProcessMutex" -> new InterProcessMutex(curator, path);
            case "ReadLock" -> new InterProcessReadWriteLock(curator, path).readLock();
            case "WriteLock" -> new InterProcessReadWriteLock(curator, path).writeLock();
            case "InterProcessSemaphoreMutex" -> new InterProcessSemaphoreMutex(curator, path);
            default -> throw new IllegalArgumentException(request.toString());
        };
        synchronized (LOCKS) {
            LOCKS.add(new Lock(lock, Executors.newSingleThreadExecutor()));
            return LOCKS.size() - 1;
        }
    }

    private static boolean acquire(InterProcessLock lock, JsonNode timeoutMs) throws Exception {
        if (!timeoutMs.isNull()) return lock.acquire(timeoutMs.asLong(), TimeUnit.MILLISECONDS);
        lock.acquire();
        return true;
    }
}
