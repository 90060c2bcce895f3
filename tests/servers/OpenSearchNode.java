import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.codelibs.opensearch.runner.node.OpenSearchRunnerNode;
import org.opensearch.common.settings.Settings;
import org.opensearch.index.IndexService;
import org.opensearch.index.shard.IndexShard;
import org.opensearch.indices.IndicesService;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

/** One real OpenSearch node in this process: OpenSearchNode HOME name=value … Ends in order on SIGTERM. */
public class OpenSearchNode {
  // Either name of a module's class, before and since 3.0; what is not there is left out.
  static final String[] MODULES = {
    "org.opensearch.transport.Netty4Plugin", "org.opensearch.transport.Netty4ModulePlugin",
    "org.opensearch.analysis.common.CommonAnalysisPlugin", "org.opensearch.analysis.common.CommonAnalysisModulePlugin",
  };

  @SuppressWarnings("unchecked")
  public static void main(String[] arguments) throws Exception {
    Path home = Path.of(arguments[0]);
    Files.createDirectories(home.resolve("config"));
    Settings.Builder settings = Settings.builder().put("path.home", home.toString());
    for (int i = 1; i < arguments.length; i++) {
      String[] pair = arguments[i].split("=", 2);
      boolean isList = pair[0].endsWith("seed_hosts") || pair[0].endsWith("initial_cluster_manager_nodes");
      if (isList) settings.putList(pair[0], pair[1].split(","));
      else settings.put(pair[0], pair[1]);
    }
    List<Class<? extends Plugin>> plugins = new ArrayList<>();
    for (String name : MODULES) {
      try {
        plugins.add((Class<? extends Plugin>) Class.forName(name));
      } catch (ClassNotFoundException absent) {
      }
    }
    Node node = new OpenSearchRunnerNode(
        InternalSettingsPreparer.prepareEnvironment(
            settings.build(), Map.of(), home.resolve("config"), () -> "logkeep"),
        plugins);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        node.close();
        node.awaitClose(10, TimeUnit.SECONDS);
      } catch (Exception error) {
        error.printStackTrace();
      }
    }));
    node.start();
    forgetSoon(node);
    Thread.currentThread().join();
  }

  /** What keeps deleted documents for copies that lag behind is looked at every 0.3 s instead of every 30. */
  static void forgetSoon(Node node) {
    IndicesService indices = node.injector().getInstance(IndicesService.class);
    Thread thread = new Thread(() -> {
      while (true) {
        try {
          Thread.sleep(300);
          for (IndexService index : indices)
            for (IndexShard shard : index) {
              shard.maybeSyncGlobalCheckpoint("tests");
              shard.syncRetentionLeases();
            }
        } catch (Throwable error) {
          // An index that is closed meanwhile.
        }
      }
    });
    thread.setDaemon(true);
    thread.start();
  }
}
