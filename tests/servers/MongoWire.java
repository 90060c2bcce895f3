import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;

/**
 * MongoWire PORT [FILE]: mongo-java-server on 127.0.0.1, in memory or in FILE. With -Dtls=BUNDLE it speaks TLS, with
 * the key (of an elliptic curve) and the certificate in that PEM file. Ends in order on SIGTERM.
 */
public class MongoWire {
    public static void main(String[] arguments) throws Exception {
        H2Backend backend = new OneAtATime(arguments.length > 1 ? arguments[1] : null);
        backend.version(ServerVersion.MONGO_5_0);
        MongoServer server = new MongoServer(backend);
        if (System.getProperty("tls") != null) secure(server, Files.readString(Path.of(System.getProperty("tls"))));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
        System.out.println("listening");
        Thread.currentThread().join();
    }

    /**
     * Commands one after the other. A collection is not made in one step, and listDatabases opens each database anew,
     * with the indexes of whatever another connection is just writing: both answer errors that MongoDB never would.
     */
    static class OneAtATime extends H2Backend {
        /** file: null is in memory. */
        OneAtATime(String file) {
            super(file);
        }

        @Override
        public synchronized Document handleMessage(MongoMessage message) {
            return super.handleMessage(message);
        }
    }

    static void secure(MongoServer server, String pem) throws Exception {
        PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(part(pem, "PRIVATE KEY"));
        PrivateKey key = KeyFactory.getInstance("EC").generatePrivate(spec);
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        byte[] certificate = part(pem, "CERTIFICATE");
        server.enableSsl(
            key, null, (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(certificate)));
    }

    static byte[] part(String pem, String name) {
        String begin = "-----BEGIN " + name + "-----", end = "-----END " + name + "-----";
        String body = pem.substring(pem.indexOf(begin) + begin.length(), pem.indexOf(end));
        return Base64.getMimeDecoder().decode(body);
    }
}
