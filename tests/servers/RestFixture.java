package org.apache.iceberg.rest;

import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.jdbc.JdbcCatalog;
import org.apache.iceberg.rest.credentials.ImmutableCredential;
import org.apache.iceberg.rest.responses.ConfigResponse;
import org.apache.iceberg.rest.responses.LoadTableResponse;
import org.eclipse.jetty.ee10.servlet.FilterHolder;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/**
 * An Iceberg REST catalog made of Apache Iceberg's own adapter with a JdbcCatalog behind it, so that commits are judged
 * by the reference implementation. As Cloudflare's does, it wants a bearer token and a warehouse by name, gives a path
 * prefix, puts each table into a folder named by a UUID, and vends S3 keys with every table.
 *
 * <p>It listens on a free port of 127.0.0.1, prints {@code ready <port>}, and ends when standard input closes. Settings
 * are environment variables, all of them needed: FIXTURE_TOKEN, FIXTURE_PREFIX, FIXTURE_WAREHOUSE (its name),
 * FIXTURE_LOCATION (s3://bucket/folder), S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY.
 */
public class RestFixture {
  private static final String TOKEN = setting("FIXTURE_TOKEN");
  private static final String PREFIX = setting("FIXTURE_PREFIX");
  private static final String WAREHOUSE = setting("FIXTURE_WAREHOUSE");
  private static final String LOCATION = setting("FIXTURE_LOCATION");
  private static final Map<String, String> KEYS = keys();

  public static void main(String[] arguments) throws Exception {
    Server server = new Server(new InetSocketAddress("127.0.0.1", 0));
    ServletContextHandler context = new ServletContextHandler("/");
    context.addFilter(new FilterHolder(new Gate()), "/*", EnumSet.of(DispatcherType.REQUEST));
    context.addServlet(new ServletHolder(new RESTCatalogServlet(new Vending(catalog()))), "/*");
    server.setHandler(context);
    server.start();
    endWithStandardInput();
    System.out.println("ready " + ((ServerConnector) server.getConnectors()[0]).getLocalPort());
    server.join();
  }

  private static String setting(String name) {
    String value = System.getenv(name);
    if (value == null || value.isEmpty()) {
      throw new IllegalStateException(name + " is not set");
    }
    return value;
  }

  private static Map<String, String> keys() {
    Map<String, String> keys = new TreeMap<>();
    keys.put("s3.endpoint", setting("S3_ENDPOINT"));
    keys.put("s3.access-key-id", setting("S3_ACCESS_KEY"));
    keys.put("s3.secret-access-key", setting("S3_SECRET_KEY"));
    keys.put("s3.path-style-access", "true");
    keys.put("s3.region", "us-east-1");
    keys.put("client.region", "us-east-1");
    return keys;
  }

  private static Catalog catalog() {
    Map<String, String> properties = new HashMap<>(KEYS);
    properties.put("uri", "jdbc:sqlite:file::memory:?cache=shared");
    // One connection: a database in memory lives as long as its last one, and SQLite has one writer anyway.
    properties.put("clients", "1");
    properties.put("jdbc.schema-version", "V1");
    properties.put("warehouse", LOCATION);
    properties.put("io-impl", "org.apache.iceberg.aws.s3.S3FileIO");
    JdbcCatalog catalog = new ByUuid();
    catalog.initialize("fixture", properties);
    return catalog;
  }

  private static void endWithStandardInput() {
    Thread watch =
        new Thread(
            () -> {
              try {
                while (System.in.read() >= 0) {}
              } catch (IOException closed) {
                // The same as its end.
              }
              Runtime.getRuntime().halt(0);
            });
    watch.setDaemon(true);
    watch.start();
  }

  /** A table that is dropped and made again has another folder. */
  private static class ByUuid extends JdbcCatalog {
    @Override
    protected String defaultWarehouseLocation(TableIdentifier table) {
      return LOCATION + "/" + UUID.randomUUID();
    }
  }

  private static class Vending extends RESTCatalogAdapter {
    Vending(Catalog catalog) {
      super(catalog);
    }

    @Override
    public <T extends RESTResponse> T handleRequest(
        Route route, Map<String, String> variables, Object body, Class<T> type) {
      T answer = super.handleRequest(route, variables, body, type);
      if (answer instanceof ConfigResponse) {
        return type.cast(withPrefix((ConfigResponse) answer));
      }
      if (answer instanceof LoadTableResponse) {
        return type.cast(withKeys((LoadTableResponse) answer));
      }
      return answer;
    }

    private static ConfigResponse withPrefix(ConfigResponse answer) {
      return ConfigResponse.builder().withEndpoints(answer.endpoints()).withOverride("prefix", PREFIX).build();
    }

    private static LoadTableResponse withKeys(LoadTableResponse answer) {
      String location = answer.tableMetadata().location();
      return LoadTableResponse.builder()
          .withTableMetadata(answer.tableMetadata())
          .addAllConfig(answer.config())
          .addAllConfig(KEYS)
          .addCredential(ImmutableCredential.builder().prefix(location).config(KEYS).build())
          .build();
    }
  }

  /** Lets through who has the token, asks for the warehouse and stays below the prefix. */
  private static class Gate implements Filter {
    @Override
    public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
        throws IOException, ServletException {
      HttpServletRequest asked = (HttpServletRequest) request;
      HttpServletResponse answer = (HttpServletResponse) response;
      String path = asked.getRequestURI();
      String below = "/v1/" + PREFIX + "/";
      if (!("Bearer " + TOKEN).equals(asked.getHeader("Authorization"))) {
        refuse(answer, 401, "NotAuthorizedException", "Not authorized");
      } else if (path.equals("/v1/config") && WAREHOUSE.equals(asked.getParameter("warehouse"))) {
        chain.doFilter(request, response);
      } else if (path.startsWith(below)) {
        chain.doFilter(new WithPath(asked, "/v1/" + path.substring(below.length())), response);
      } else {
        refuse(answer, 404, "NotFoundException", "No such warehouse or prefix");
      }
    }

    private static void refuse(HttpServletResponse answer, int code, String type, String message) throws IOException {
      answer.setStatus(code);
      answer.setContentType("application/json");
      String error = "{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"code\":%d}}";
      answer.getWriter().write(String.format(error, message, type, code));
    }
  }

  private static class WithPath extends HttpServletRequestWrapper {
    private final String path;

    WithPath(HttpServletRequest request, String path) {
      super(request);
      this.path = path;
    }

    @Override
    public String getRequestURI() {
      return path;
    }
  }
}
