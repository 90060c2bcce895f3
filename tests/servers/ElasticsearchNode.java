import java.nio.file.Path;
import java.util.Map;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.index.IndexService;
import org.elasticsearch.index.shard.IndexShard;
import org.elasticsearch.indices.IndicesService;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** One real Elasticsearch node in this process: ElasticsearchNode HOME name=value … */
public class ElasticsearchNode {
  public static void main(String[] arguments) throws Exception {
    LogConfigurator.configureESLogging();
    Path home = Path.of(arguments[0]);
    Settings.Builder settings = Settings.builder().put("path.home", home.toString());
    for (int i = 1; i < arguments.length; i++) {
      String[] pair = arguments[i].split("=", 2);
      settings.put(pair[0], pair[1]);
    }
    Environment environment = InternalSettingsPreparer.prepareEnvironment(
        settings.build(), Map.of(), home.resolve("config"), () -> "logkeep");
    PluginsLoader plugins = PluginsLoader.createPluginsLoader(
        PluginsLoader.loadModulesBundles(environment.modulesDir()),
        PluginsLoader.loadPluginsBundles(environment.pluginsDir()),
        Map.of());
    Node node = new Node(environment, plugins);
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
            for (IndexShard shard : index) if (shard.isPrimaryMode()) shard.syncRetentionLeases();
        } catch (Throwable error) {
          // An index that is closed meanwhile.
        }
      }
    });
    thread.setDaemon(true);
    thread.start();
  }
}
