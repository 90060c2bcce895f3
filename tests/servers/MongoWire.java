import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;

/** MongoWire PORT [FILE]: mongo-java-server on 127.0.0.1, in memory or in FILE. Ends in order on SIGTERM. */
public class MongoWire {
    public static void main(String[] arguments) throws Exception {
        H2Backend backend = arguments.length > 1 ? new H2Backend(arguments[1]) : H2Backend.inMemory();
        backend.version(ServerVersion.MONGO_5_0);
        MongoServer server = new MongoServer(backend);
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
        System.out.println("listening");
        Thread.currentThread().join();
    }
}
