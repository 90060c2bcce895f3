"""What the rules name is not in what is stored."""

from typing import Any

import pytest

from logkeep.errors import InputError
from logkeep.event import Event, ValueKind, attributes_json, attributes_of
from logkeep.masking.fields import Fields
from logkeep.masking.masker import Masker
from logkeep.masking.prefilter import Prefilter
from logkeep.masking.rules import DEFAULT, OwnPattern, Rules, checked
from logkeep.masking.search import (
    STEPS_A_BATCH,
    STEPS_A_TEXT_MAX,
    STEPS_AN_EVENT,
    _short,
    alternatives,
    compiled,
    plain_of,
    touched,
    touched_between,
)  # fmt: skip

ALL = Rules(builtin=("bearer", "email", "card"))


def event(value: str, kind: ValueKind = "text", key: str = "k", **attributes: str) -> Event:
    return Event(
        "shop",
        "s",
        key,
        value,
        kind,
        5.0 if kind == "number" else None,
        0,
        0,
        "i",
        attributes=attributes_json(attributes),
    )


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("login password=hunter2 ok", "login password=[masked] ok"),
        ("PASSWORD: hunter2, user: anna", "PASSWORD: [masked], user: anna"),
        ('pwd="a b \\" c" next', 'pwd="[masked]" next'),
        ("url?token=abc&x=1", "url?token=[masked]&x=1"),
        ("Authorization: Bearer abc.def-123 end", "Authorization: [masked]"),
        ("sent bearer abcdefgh12345 to", "sent bearer [masked] to"),
        ('{"user":"anna","Password":"x\\"y","n":1}', '{"user":"anna","Password":"[masked]","n":1}'),
        ("postgres://u:x1@db:5432/shop, amqp://:x1@mq n", "postgres://u:[masked]@db:5432/shop, amqp://:[masked]@mq n"),
        ('{"dsn":"mysql:\\/\\/u:x@1:%2F!@db\\/shop"}', '{"dsn":"mysql:\\/\\/u:[masked]@db\\/shop"}'),
        (
            "http://db:5432/@a http://u@db:80 x://a:b c@d 'x://a:b'@c",
            "http://db:5432/@a http://u@db:80 x://a:b c@d 'x://a:b'@c",
        ),
        ("run --db-password x1 --n 2 --token 'x 2' -v", "run --db-password [masked] --n 2 --token '[masked]' -v"),
        (
            "--token --n 1 --tokens 5 --password = x1, --password",
            "--token --n 1 --tokens 5 --password = [masked], --password",
        ),
        ("mail to anna.b+c@mail.example.org.", "mail to [masked]."),
        ("card 4111 1111 1111 1111 declined", "card [masked] declined"),
        ("card 4111 1111 1111 1112 is none", "card 4111 1111 1111 1112 is none"),
        ("1 4111111111111111 2 4111-1111-1111-1111 4", "1 [masked] 2 [masked] 4"),
        ("x_4111111111111111 y3782 822463 10005z", "x_[masked] y[masked]z"),
        ("card-4111111111111111 visa-4111111111111111-a", "card-[masked] visa-[masked]-a"),
        ("4111\u00a01111\u00a01111\u00a01111 or \uff14111111111111111", "[masked] or [masked]"),
        ("200 1532 12 4444 8 77 1234 5 and " + "12" * 15, "200 1532 12 4444 8 77 1234 5 and " + "12" * 15),
        ('body={\\"password\\":\\"a \\\\\\"b\\\\\\" c\\",\\"n\\":1}', 'body={\\"password\\":\\"[masked]\\",\\"n\\":1}'),
        ('user=5 password="hunter2 and more', "user=5 password=[masked]"),
        ('password="two\nlines" end', 'password="[masked]" end'),
        ("password='x", "password=[masked]"),
        ('{"password": {"a":"x"}, "n":1', '{"password": [masked], "n":1'),
        ('token: ["x", "y"] end', "token: [masked] end"),
        ('password={"a":{"b":"x"}} end', "password=[masked] end"),
        ("Cookie: sid=A; session=B, Host: x", "Cookie: [masked]"),
        ("-H 'Cookie: sid=A; b=\"C\"' next", "-H 'Cookie: [masked]' next"),
        ("-H 'Set-Cookie: sid=A; b=\"C\"' next", "-H 'Set-Cookie: [masked]' next"),
        ("HTTP_COOKIE: sid=A; b=C", "HTTP_COOKIE: [masked]"),
        ("X-Forwarded-Authorization: Digest a=b, c=D n", "X-Forwarded-Authorization: [masked]"),
        ('Authorization: Digest username="a", realm=b, response="C" end', "Authorization: [masked]"),
        ('{"p\\u0061ssword":"x"} \\npassword=y', '{"p\\u0061ssword":"[masked]"} \\npassword=[masked]'),
        (
            '{"m":"{\\"m\\":\\"{\\\\\\"password\\\\\\":\\\\\\"x\\\\\\"}\\"}","n":1}',
            '{"m":"{\\"m\\":\\"{\\\\\\"password\\\\\\":[masked]}\\"}","n":1}',
        ),
        ('password: Some("x"), n: 1', "password: [masked], n: 1"),
        ("{'password': b'x', 'n': 1}", "{'password': [masked], 'n': 1}"),
        ('{"password"=>"x"} password := "y"', '{"password"=>"[masked]"} password := "[masked]"'),
        ("password='it\\'s x' n", "password='[masked]' n"),
        ('password={"a":"}x"} n', "password=[masked] n"),
        ("Authorization: Negotiate abc n", "Authorization: [masked]"),
        ("authorization: AWS4-HMAC-SHA256 Credential=a, Signature=b n", "authorization: [masked]"),
        ("private_key=-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY----- n", "private_key=[masked] n"),
        ('"password":\n  "x", "n":1', '"password":\n  "[masked]", "n":1'),
        (
            "run --password=x user[password]=y password[]=z q?a=1&password%3Dw n",
            "run --password=[masked] user[password]=[masked] password[]=[masked] q?a=1&password%3D[masked] n",
        ),
        ("Authorization: Key x1 n", "Authorization: [masked]"),
        ("authorization=SharedKey acct:x1== n", "authorization=[masked] n"),
        ("{Authorization=AWS AKIA:x1, n=1}", "{Authorization=[masked], n=1}"),
        ("Authorization => Zoho-oauthtoken 1000.x1 n", "Authorization => [masked] n"),
        ("[auth]\npassword =\ntoken = x1", "[auth]\npassword =\ntoken = [masked]"),
        ("X-Api-Key:\r\nAuthorization: Basic x1", "X-Api-Key:\r\nAuthorization: [masked]"),
        ("bad token: password: x1 n", "bad token: [masked] [masked] n"),
        ("authorization: no password: x1 n", "authorization: [masked]"),
        ("password=\nuser=bob", "password=\nuser=bob"),
        ("password=\n[ERROR] more\n", "password=\n[ERROR] more\n"),
        ('token:\n"more"\n', 'token:\n"more"\n'),
        ("password:\r\n{more}", "password:\r\n{more}"),
        ('password:\n  "x1"\nn', 'password:\n  "[masked]"\nn'),
        ('"password":\n["x1"] n', '"password":\n[masked] n'),
        ("private_key:\n-----BEGIN X-----\nx1\n-----END X----- n", "private_key:\n[masked] n"),
        ("password:\n  x1\nn", "password:\n  [masked]\nn"),
        ("private_key: |\n  -----BEGIN X-----\n  x1\n  -----END X-----\nn: 1", "private_key: [masked]\nn: 1"),
        ("  password: >-  # of it\r\n\r\n    x1\r\n    x2\r\n  n: 1", "  password: [masked]\r\n  n: 1"),
        ("token:\n  - x1\n  - x2\nn: 1", "token:\n  [masked]\nn: 1"),
        ("token:\n- x1\n  x2\n- x3\nn: 1", "token:\n[masked]\nn: 1"),
        ("secret:\n  a: x1\n  b:\n    x2\nn: 1", "secret:\n  [masked]\nn: 1"),
        ('password = """x1 "y" z""" n', 'password = "[masked]" n'),
        ('{"Cookie":[]string{"a=x1"}, "n":1}', '{"Cookie":[masked], "n":1}'),
        ('Token:main.Secret{v:"x1}"}, n', "Token:[masked], n"),
        ('password: Some(Secret("x1")), n', "password: [masked], n"),
        ('password: my::Secret { inner: "x1" }, n', "password: [masked], n"),
        ("F(token=Token(value='x1', b=2), n=1)", "F(token=[masked], n=1)"),
        ("token=Optional[x1 x2], n", "token=[masked], n"),
        ('["password"]=> string(2) "x1" n', '["password"]=> [masked] n'),
        ("password = SHA2(CONCAT('x1', salt), 256) n", "password = [masked] n"),
        ('password=new String("x1") token: !vault "x1" n', "password=[masked] token: [masked] n"),
        ('password: Some("x1', "password: [masked]"),
        ("password=a(b next", "password=[masked] next"),
        ('{\\"password\\":Some(\\"x1\\"),\\"n\\":1}', '{\\"password\\":[masked],\\"n\\":1}'),
        ("password=a'x1 password=E'x1 x2' n", "password=[masked] password=[masked] n"),
        ("SET `password` = 'x1' WHERE", "SET `password` = '[masked]' WHERE"),
        (r"{\x22password\x22:\x22x1\x22,\x22n\x22:1}", r"{\x22password\x22:[masked],\x22n\x22:1}"),
        ("/?r=%253Fpassword%253Dx1 n", "/?r=%253Fpassword%253D[masked] n"),
        ("Using basic authentication for anna", "Using basic authentication for anna"),
        (
            "081109 203615 148 req-4111111111111111d 0.4111111111111111 1785000000008",
            "081109 203615 148 req-4111111111111111d 0.4111111111111111 1785000000008",
        ),
        ("order 0000000000000000", "order 0000000000000000"),
        ("at 0x4111111111111111 4111111111111111.50", "at 0x4111111111111111 4111111111111111.50"),
        ("blk_4111111111111111110 blk_-4111111111111111110", "blk_4111111111111111110 blk_-4111111111111111110"),
        ("paid 4111111111111111. 4111111111111111110", "paid [masked]. [masked]"),
        ("\x1b[32mpassword \x1b[0m=x1 n", "\x1b[32mpassword \x1b[0m=[masked] n"),
        ("\x1b[36mtoken\x1b[0m=\x1b[1;33mx1\x1b[0m n", "\x1b[36mtoken\x1b[0m=\x1b[1;33m[masked]\x1b[0m n"),
        ("pwd=x\x1b[1m1\x1b[0mx1 n token=\x1b[0mn", "pwd=[masked] n token=\x1b[0m[masked]"),
        ("\x1b[32mCookie\x1b[0m: a=x1; b=x1", "\x1b[32mCookie\x1b[0m: [masked]"),
        (
            '{\n  \x1b[34;1m"password"\x1b[0m\x1b[1;39m:\x1b[0m \x1b[0;32m"x1"\x1b[0m\n}',
            '{\n  \x1b[34;1m"password"\x1b[0m\x1b[1;39m:\x1b[0m \x1b[0;32m"[masked]"\x1b[0m\n}',
        ),
        ("\x1b[1mAuthorization:\x1b[0m Basic x1 n", "\x1b[1mAuthorization:\x1b[0m [masked]"),
        ("\x1b[33mBearer abcdefgh12345\x1b[0m", "\x1b[33mBearer [masked]\x1b[0m"),
        ("password=\n\x1b[31m[ERROR]\x1b[0m more", "password=\n\x1b[31m[ERROR]\x1b[0m more"),
        ('val password: String = "x1 x1"; n', "val password: [masked]; n"),
        ('password: &\'static str = "x1"; n', "password: [masked]; n"),
        ("token: string | null = 'x1', n", "token: [masked], n"),
        ("apiKey: Option<String> = 'x1", "apiKey: [masked]"),
        ("password: x1 = n, token=x1 n = 'n'", "password: [masked] = n, token=[masked] n = 'n'"),
        ("HTTP_COOKIE=a=x1; sid=x1 n\nHOME=n", "HTTP_COOKIE=[masked] n\nHOME=n"),
        ("Cookie=a=x1;b; sid=x1==, user=n", "Cookie=[masked], user=n"),
        ("cookie=x1; user: n", "cookie=[masked]; user: n"),
        ("q?cookie=a=x1&b=n c=n", "q?cookie=[masked]&b=n c=n"),
        ("mypassword=kept passwords=kept", "mypassword=kept passwords=kept"),
        ("4111111111111111-2512 4111-1111-1111-1111-1225 a", "[masked]-2512 [masked]-1225 a"),
        ("cvv 1234-4111111111111111 card 4111 1111 1111 1111-1225", "cvv 1234-[masked] card [masked]-1225"),
        ("%B4111111111111111^DOE/J^25 4111111111111111D25121010000", "%B[masked]^DOE/J^25 [masked]D25121010000"),
        ("sum=4111111111111111.5,card=4111111111111111.5", "sum=4111111111111111.5,card=[masked].5"),
        (
            "1B4111111111111111 4111111111111111D25a 4111111111111111-beef",
            "1B4111111111111111 4111111111111111D25a 4111111111111111-beef",
        ),
        ("password='x1''x2' password='x1'\\''x2' n", "password='[masked]' password='[masked]' n"),
        ('password="x1""x2" password="x1"\'x2\' n', 'password="[masked]" password=[masked] n'),
        ('password=r#"x1 "x2"# password=`x1 x2` n', "password=[masked] password=[masked] n"),
        ("password=$$x1 x2$$ password=_utf8'x1 x2' n", "password=[masked] password=[masked] n"),
        ('password=L"x1 x2" token=Just "x1 x2", n', "password=[masked] token=[masked], n"),
        ('token: Secret<String> { inner: "x1" }, n', "token: [masked], n"),
        ('{"password":"","n":1} password=\'\' \'n\'', '{"password":"[masked]","n":1} password=\'[masked]\' \'n\''),
        ("ünïcödé password=gehëim ü", "ünïcödé password=[masked] ü"),
        ("password=", "password="),
        ("nothing here", "nothing here"),
    ],
)
def test_a_text_is_masked_and_all_else_in_it_stays(text: str, masked: str) -> None:
    assert Masker(ALL).mask_text(text) == masked
    around = [event("before password"), event(text), event("=after")]
    Masker(ALL).mask(around)
    assert [found.value for found in around] == ["before password", masked, "=after"]


@pytest.mark.parametrize(
    "text",
    [
        "db:\n  password:\n  user: bob\n  host: x\n  port: 5\nother: 1",
        "Headers:\n    cookie:\n    host: example.org\n    accept: text/html\n",
        "environment:\n  POSTGRES: 1\n  secret:\n  LOG_LEVEL: debug\n  PORT: 80",
        "- name: web\n    token:\n    image: y\n    replicas: 3", "users:\n  - token:\n  - name: bob\n  - name: eve",
        "config:\r\n  token: \r\n  user: bob\r\n", "  password: >\n  same indent\n  user: bob",
        "  token:\n  user\n", "password: |\nuser: bob", "  secret: # c\n  user: bob", "    secret:\n  - name: bob",
        "Exception: bad token:\n\tat a.b(C.java:1)\n\tat d.e(F.java:2)", "bad token:\n  Caused by: x\n",
    ],
)  # fmt: skip
def test_lines_that_are_not_indented_deeper_than_a_name_are_not_its_value(text: str) -> None:
    assert Masker(ALL).mask_text(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (
            "at 'bad token: (', src/a.rs:5:6\nstack:\n   0: a::b",
            "at 'bad token: [masked]', src/a.rs:5:6\nstack:\n   0: a::b",
        ),
        ("E 'bad token: x(' at line 5\n  at a.b\n", "E 'bad token: [masked]' at line 5\n  at a.b\n"),
        ("unexpected token: `(' in line 5", "unexpected token: [masked]' in line 5"),
        ("bad token: Eof { at: parser, line 5\n at a.b {}", "bad token: [masked]\n at a.b {}"),
        ("invalid token: name[' at a.b(C.java:1)\n at c.d", "invalid token: [masked]\n at c.d"),
        ("Unexpected token: [ in /a/b.js\n    at c [d]]", "Unexpected token: [masked]\n    at c [d]]"),
        ("Unexpected token: '\n  at a.b", "Unexpected token: [masked]\n  at a.b"),
        ("E 'Unexpected token: ' in 'x'", "E 'Unexpected token: ' in 'x'"),
        ('{"m":"{\\"token\\":[\\"x1"}', '{"m":"{\\"token\\":[masked]'),
        ('token: Some(\n    Secret(\n        "x1",\n    ),\n), n: 1', "token: [masked], n: 1"),
        ('token: {\n  "a": "x1"\n}\nn', "token: [masked]\nn"),
        ("password = getpass('Password: ')\nuser = 'bob'\n", "password = [masked]\nuser = 'bob'\n"),
        ('token = get("token: ") or fail("none")', 'token = [masked] or fail("none")'),
        ("invalid token: password = x1", "invalid token: [masked] = [masked]"),
        ('"{"password":"x1"}"', '"{"password":"[masked]"}"'),
    ],
)
def test_a_bracket_or_quote_that_never_closes_hides_no_more_than_its_line(text: str, masked: str) -> None:
    assert Masker(ALL).mask_text(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Foo ab{x1}\nn", "Authorization: [masked]\nn"),
        ("Authorization: Foo x1[x2] x3\r\nHost: n", "Authorization: [masked]\r\nHost: n"),
        ('authorization: Key "x1 x2" x\nn', "authorization: [masked]\nn"),
        ("Authorization: Custom a=1; b=x1 c=x1, x1", "Authorization: [masked]"),
        ("Authorization: Bearer: x1", "Authorization: [masked]"),
        ("authorization: Key\r\n x1\r\nHost: n", "authorization: [masked]\r\nHost: n"),
        ("  Authorization: Key x1\n  Host: n\n", "  Authorization: [masked]\n  Host: n\n"),
        ("    cookie: a=x1\n    host: n\n", "    cookie: [masked]\n    host: n\n"),
        ("bad Authorization: Key x1\n\tat a.b(C.java:1)", "bad Authorization: [masked]\n\tat a.b(C.java:1)"),
        ('{"m":"GET Authorization: Key x1 x2","n":1', '{"m":"GET Authorization: [masked]","n":1'),
        ('{\\"m\\":\\"a Cookie: a=x1; b=x2\\",\\"n\\":1', '{\\"m\\":\\"a Cookie: [masked]'),
        ("Cookie=a=1; sid=x1 n", "Cookie=[masked] n"),
        ('cookie: "a=1"; sid=x1\nn', "cookie: [masked]\nn"),
        ("-H 'Authorization: Custom x1 x2' n", "-H 'Authorization: [masked]' n"),
    ],
)
def test_a_header_is_hidden_to_the_end_of_its_line_or_of_the_quoted_text(text: str, masked: str) -> None:
    assert Masker(ALL).mask_text(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('secret:\n  "data": x1\nn: 1', "secret:\n  [masked]\nn: 1"),
        ("secret:\n  # note\n  data: x1\nn: 1", "secret:\n  # note\n  [masked]\nn: 1"),
        ("secret:\n\n  data: x1\nn: 1", "secret:\n\n  [masked]\nn: 1"),
        ("secret: # c\n  data: x1\n  b: x1\nn: 1", "secret: # c\n  [masked]\nn: 1"),
        ("secret: &anc\n  data: x1\nn: 1", "secret: &anc\n  [masked]\nn: 1"),
        ("secret: !!map\n  data: x1", "secret: !!map\n  [masked]"),
        ("password: !!binary |\n  x1\n  x1\nn: 1", "password: [masked]\nn: 1"),
        ("secret:\n  my key: x1\n  b: x1\nn: 1", "secret:\n  [masked]\nn: 1"),
        ("secret:\n  ? a\n  : x1\nn: 1", "secret:\n  [masked]\nn: 1"),
        ("- token:\n  - x1\n  - x2\n- n", "- token:\n  [masked]\n- n"),
        ("- token:\n    a: x1\n  n: 1", "- token:\n    [masked]\n  n: 1"),
        ("token:\n  - a\n  -\n    x1\nn: 1", "token:\n  [masked]\nn: 1"),
        ("  password: &x1\n  user: bob", "  password: [masked]\n  user: bob"),
        ("  password: !x1\n  user: bob", "  password: [masked]\n  user: bob"),
        ("  password: #x1\n  user: bob", "  password: [masked]\n  user: bob"),
    ],
)
def test_a_value_on_the_lines_below_is_hidden_to_its_last(text: str, masked: str) -> None:
    assert Masker(ALL).mask_text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "md5 digest d41d8cd98f00b204e9800998ecf8427e", "Weekly digest 2026-11-30T11:00:00Z", "token 2026-11-30T11:00",
        "unexpected token T_CONSTANT_ENCAPSED_STRING", "basic AuthenticationEntryPoint", "Basic Memory/CPU-check",
        "Loaded token /usr/share/model-v1.2/tokenizer.json", "token TokenBucket-17", "Basic com.example.Foo.bar",
        "unexpected token END_OBJECT_KEY", "token ENDOFSTREAM", "basic HTTP.AUTHENTICATION",
    ],
)  # fmt: skip
def test_words_behind_the_word_for_a_scheme_are_no_credential(text: str) -> None:
    assert Masker(ALL).mask_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic dXNlcjpwYXNz", "token ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "Token 9944b09199c62bcf9418ad846dd0e4bb", "token xoxb-1234-5678-abcdefgh", "Bearer ABCDEFGHIJKLMNOP",
        "Token ABCDEFGHIJKLMNOPQRSTUVWXYZ", "Basic ABCDEFGHIJKL",
        'Digest username="a", realm=b, response="x"', "token 550e8400-e29b-41d4-a716-446655440000",
    ],
)  # fmt: skip
def test_a_credential_behind_its_scheme_is_hidden_wherever_it_stands(text: str) -> None:
    assert Masker(ALL).mask_text(f"sent {text} to") == f"sent {text.split()[0]} [masked] to"


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASSWORD", "PGPASSWORD", "dbPassword", "spring.datasource.password", "user-pwd", "AWS_SECRET_ACCESS_KEY",
        "aws.secretAccessKey", "clientSecret", "client-secret", "client.secret", "CLIENTSECRET", "accessToken",
        "accesstoken", "access-token", "x-csrftoken", "X-Auth-Token", "api-key", "X-Api-Key", "apikey", "mapsApiKey",
        "private-key", "privateKey", "SMTP_PASS", "http.request.header.authorization", "Proxy-Authorization",
        "HTTP_COOKIE", "Set-Cookie", "http.response.header.set-cookie", "awsCredentials", "cardNumber",
        "credit_card_number",
    ],
)  # fmt: skip
def test_a_secret_has_its_usual_names_however_they_are_written(name: str) -> None:
    masker = Masker(DEFAULT)
    for text in (f"{name}=S3", f"x {name}: S3", f"--{name}=S3", f"{name} => 'S3'", f"a[{name}]=S3"):
        assert "S3" not in masker.mask_text(text), text
    assert masker.mask_text(f'{{"{name}":"S3","n":1}}') == f'{{"{name}":"[masked]","n":1}}'
    events = [event("S3", key=name), event("x", **{name: "S3"}), event(f'{{"n":[{{"{name}":5}}]}}', "object")]
    assert masker.mask(events) == 3
    assert events[0].value == "[masked]" and attributes_of(events[1]) == {name: "[masked]"}
    assert events[2].value == f'{{"n":[{{"{name}":"[masked]"}}]}}'
    for sent in (f'{{"key":"{name}","value":"S3"}}', f'{{"key":"{name}","value":"S3'):
        assert "S3" not in masker.mask_sent(sent)
    body = [
        f'{{"session":"s","key":"{name}","value":"S3"}}',
        f'{{"session":"s","key":"k","value":"{name}: S3"}}',
        f'{{"session":"s","key":"k","value":5,"attributes":{{"{name}":"S3"}}}}',
    ]
    assert Prefilter(DEFAULT).suspects("\n".join(body).encode(), "ndjson", 3) == [0, 1, 2]


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens", "token_count", "tokenType", "tokens", "session", "sessionId", "session_id", "user_id",
        "primary_key", "mypassword", "cookies", "password_changed_at", "secretary", "compass", "author", "access",
        "access_key_id", "public_key", "status",
    ],
)  # fmt: skip
def test_what_people_search_for_is_not_hidden_for_its_name(name: str) -> None:
    text = f'{name}=kept {name}: kept {{"{name}":"kept"}}'
    Masker(DEFAULT).mask(events := [event(text), event("kept", key=name), event("kept", **{name: "kept"})])
    assert [one.value for one in events] == [text, "kept", "kept"] and attributes_of(events[2]) == {name: "kept"}


def test_a_name_without_a_star_is_the_whole_name_and_an_underscore_within_it_stands_for_others() -> None:
    masker = Masker(checked(Rules((), ("id", "card_no", "_x_y_", "*otp", "*app_pin", "*auth_", "_"))))
    text = "user_id=a userId=a user.id=a id=b card-no=b CardNo=b cardno=b my_card_no=a card__no=a"
    assert masker.mask_text(text) == text.replace("=b", "=[masked]")
    text = "x_y=a _x_y=a _xy_=b otp=b sms_otp=b smsOtp=b smsotp=a pin=a my.AppPin=b app_pin=b _auth_=b auth=a _=b"
    assert masker.mask_text(text) == text.replace("=b", "=[masked]")


def test_keys_attributes_and_numbers_of_a_field_are_masked_whole() -> None:
    events = [event("5", "number", key="Token"), event("x", **{"Set-Cookie": "a=b", "note": "pwd=1", "os": "x"})]
    assert Masker(DEFAULT).mask(events) == 3
    assert (events[0].value, events[0].kind, events[0].number) == ("[masked]", "text", None)
    assert attributes_of(events[1]) == {"Set-Cookie": "[masked]", "note": "pwd=[masked]", "os": "x"}
    card = event("4111111111111111", "number")
    Masker(ALL).mask([card])
    assert (card.value, card.kind, card.number) == ("[masked]", "text", None)
    card = event("4.111111111111111E+15", "number")
    card.number = 4.111111111111111e15
    Masker(ALL).mask([card])
    assert (card.value, card.kind, card.number) == ("[masked]", "text", None)


def test_json_stays_json() -> None:
    value = '{"Token":{"a":[1]},"n":5,"list":["pwd=1",{"cvv":123}],"card":4111111111111111,"ok":true}'
    found = event(value, "object")
    assert Masker(ALL).mask([found, event('[1,"x"]', "array")]) == 1
    assert found.value == (
        '{"Token":"[masked]","n":5,"list":["pwd=[masked]",{"cvv":"[masked]"}],"card":"[masked]","ok":true}'
    )


def test_nothing_hides_in_the_way_json_is_written() -> None:
    def masked(value: str, kind: ValueKind = "object", rules: Rules = ALL) -> str:
        Masker(rules).mask([found := event(value, kind)])
        return found.value

    assert masked(r'{"p\u0061ssword":"x"}') == '{"password":"[masked]"}'
    assert masked(r'{"m":"passw\u006frd=x"}') == '{"m":"password=[masked]"}'
    assert masked(r'["anna\u0040example.org"]', "array") == '["[masked]"]'
    assert masked(r'{"m":"{\"password\":\"x\"}"}') == r'{"m":"{\"password\":\"[masked]\"}"}'
    assert masked('{"url":"/cb?r=%2F%3Ftoken%3Dx%26a%3D1"}') == '{"url":"/cb?r=%2F%3Ftoken%3D[masked]%26a%3D1"}'
    assert masked('["%70assword=x","Bearer%20abcdefgh1234"]', "array") == '["%70assword=[masked]","Bearer%20[masked]"]'
    assert masked('{"a":1e400,"password":"x","m":"line"}') == '{"a":1e400,"password":"[masked]","m":"line"}'
    assert masked('[-1E999,"a\\nb"]', "array") == '[-1E999,"a\\nb"]'
    assert masked('{"m":"pwd=x","m":"ok"}') == '{"m":"ok"}'
    assert masked(r'{"m":"pw\u0064=x","m":"ok"}') == '{"m":"ok"}'
    assert masked('{"c":4.111111111111111e15}') == '{"c":"[masked]"}'
    assert masked(r'{"path":"C:\\x",  "n":1.10}') == r'{"path":"C:\\x",  "n":1.10}'  # as it came
    own = Rules((), (), (OwnPattern("street", "M\u00fcllerstra\u00dfe [0-9]+"), OwnPattern("whole", "^geheim[0-9]+$")))
    assert masked(r'{"s":"M\u00fcllerstra\u00dfe 12"}', rules=own) == '{"s":"[street]"}'
    assert masked('{"s":["geheim12","x geheim12"]}', rules=own) == '{"s":["[whole]","x geheim12"]}'


@pytest.mark.parametrize("depth", [100, 300, 900, 100_000])
def test_json_too_deep_to_look_into_is_masked_whole(depth: int) -> None:
    Masker(DEFAULT).mask([found := event("[" * depth + '"pwd=x"' + "]" * depth, "array")])
    assert "x" not in found.value and (depth > 200) == (found.value == "[masked]")
    assert "pwd=x" not in Masker(DEFAULT).mask_sent("[" * depth + '"pwd=x"' + "]" * depth)


def test_numbers_among_attributes_are_looked_at_too() -> None:
    found = event("x")
    found.attributes = attributes_json({"c": 4111111111111111, "n": 5, "b": True, "f": 1.5})
    assert Masker(ALL).mask([found]) == 1
    assert attributes_of(found) == {"c": "[masked]", "n": 5, "b": True, "f": 1.5}


@pytest.mark.parametrize(
    ("sent", "masked"),
    [
        ('{"key":"password","value":"x"}', '{"key":"password","value":"[masked]"}'),
        ('{"key":"k","value":{"password":{"a":["x"]}}}', '{"key":"k","value":{"password":"[masked]"}}'),
        (r'{"value":"{\"password\":\"x\"}"}', r'{"value":"{\"password\":\"[masked]\"}"}'),
        (r'{"p\u0061ssword":"x"}', '{"password":"[masked]"}'),
        ('{"session":"s", "key":"k"}', '{"session":"s", "key":"k"}'),
        ('{"password":"x' + "x" * 50, '{"password":[masked]'),
        (r'{"n":1,"p\u0061ssword":"xx', '{"n":1,"password":[masked]'),
        ('{"key":"password","value":"xx', '{"key":"password","value":[masked]'),
        ('{"key":"Password","session":"s","value":{"a":1},"n"', '{"key":"Password","session":"s","value":[masked],"n"'),
        ('{"key":"k","value":{"password":{"a":"x', '{"key":"k","value":{"password":[masked]'),
        (r'{"key":"k","a":"caf\u00e9', r'{"key":"k","a":"caf\u00e9'),
        ('{"session":"s","value":"cut off here', '{"session":"s","value":[masked]'),
        ("{'key':'password','value':'x','n':1}", "{'key':'password','value':'[masked]','n':1}"),
        ("session=s&key=password&value=x", "session=s&key=password&value=[masked]"),
        ('{"key":["password"],"value":"x"}', '{"key":["password"],"value":"[masked]"}'),
        (r'{"v":{"p\u0061ssword":"x","password":"[masked]"}}', '{"v":{"password":"[masked]"}}'),
    ],
)
def test_an_event_as_it_was_sent_is_masked_also_when_it_is_cut_off(sent: str, masked: str) -> None:
    assert Masker(DEFAULT).mask_sent(sent) == masked


def test_what_is_put_in_place_is_not_searched_again_and_makes_no_text_endless() -> None:
    rules = checked(Rules((), ("pin",), tuple(OwnPattern(letter * 32, ".") for letter in "abcdef")))
    assert Masker(rules).mask_text("0123456789") == "[" + "a" * 32 + "]"
    growing = Rules((), (), (OwnPattern("a" * 32, "a"), OwnPattern("b" * 32, "b")))
    assert Masker(growing).mask_text("ab" * 10) == ("[" + "a" * 32 + "][" + "b" * 32 + "]") * 10
    assert Masker(growing).mask_text("ab" * 10_000) == "[masked]"
    word = Rules((), ("pin",), (OwnPattern("word", "masked|pin=[0-9]"),))
    assert Masker(word).mask_text("pin=12 masked") == "[masked] [word]"  # what overlaps is hidden together


def test_patterns_that_take_too_long_hide_the_texts_they_have_not_looked_at() -> None:
    spent = iter(range(10_000_000))
    masker = Masker(Rules((), (), (OwnPattern("x", "x[^z]*z|x"),)), cpu_s=lambda: next(spent) / 100)
    events = [event("xx" * 500), event("nothing"), event("5", "number")]
    masker.mask(events)
    assert masker.gave_up and [one.value for one in events] == ["[masked]"] * 3
    masker.mask([short := event("x y")])
    assert not masker.gave_up and short.value == "[x] y"


def test_own_patterns_are_named_in_their_place_and_stay_within_their_text() -> None:
    rules = checked(Rules((), (), (OwnPattern("iban", "DE[0-9]{20}"), OwnPattern("first", "^x[^y]*"))))
    events = [event("to DE12345678901234567890 and x"), event("x and\nmore"), event("y")]
    Masker(rules).mask(events)
    assert [found.value for found in events] == ["to [iban] and x", "[first]", "y"]
    assert (
        Masker(Rules((), (), (OwnPattern("gap", "a[^b]*b"),))).mask(crossing := [event("ca"), event("b"), event("ab")])
        == 1
    )
    assert [found.value for found in crossing] == ["ca", "b", "[gap]"]


@pytest.mark.parametrize("name", ["*", "*_pin", "pin*", "**pin", "*p*n"])
def test_a_star_that_does_not_begin_a_name_is_refused(name: str) -> None:
    with pytest.raises(InputError) as refused:
        checked(Rules((), ("pin", name)))
    assert "rules.fields" in refused.value.message and repr(name) in refused.value.message


@pytest.mark.parametrize("pattern", ["(?=x)", "(a", r"\1", "x{1001}", "[^a-z]{1,1000}"])
def test_a_pattern_outside_of_the_subset_is_refused(pattern: str) -> None:
    with pytest.raises(InputError) as refused:
        checked(Rules(patterns=(OwnPattern("own", pattern),)))
    assert refused.value.code == "bad_regex" and "own" in refused.value.message


def test_hostile_texts_are_done_in_one_pass() -> None:
    rules = Rules(("bearer", "email", "card"), DEFAULT.fields, (OwnPattern("evil", "(a*)*(a|b)*c"),))
    for text in ("a" * 200_000, "password" * 30_000, "1 " * 100_000, 'password="' + "\\" * 100_000, "a@" * 100_000):
        assert len(Masker(rules).mask_text(text)) > 0


def test_a_text_full_of_secrets_is_looked_at_for_a_number_of_steps_and_its_rest_is_hidden() -> None:
    for secret in (
        "token=x ",
        "authorization=Key x, ",
        "Bearer x1234567890x ",
        'pwd=\\"x\\" ',
        "4111 1111 1111 1111 x? ",
    ):
        masked = Masker(ALL).mask_text(secret * (STEPS_A_TEXT_MAX + 5) + "and more x")
        assert STEPS_A_TEXT_MAX // 10 < masked.count("[masked]") <= STEPS_A_TEXT_MAX + 1
        assert masked.endswith("[masked]") and "more" not in masked


def test_a_batch_full_of_secrets_is_looked_at_for_a_number_of_steps_and_what_has_none_stays() -> None:
    texts = ["token=x " * STEPS_A_TEXT_MAX] * 12 + ["nothing here"] + ["token=x"]
    Masker(DEFAULT).mask(events := [event(text) for text in texts])
    masks = sum(one.value.count("[masked]") for one in events)
    assert STEPS_A_BATCH < masks <= STEPS_A_BATCH + len(events) * (STEPS_AN_EVENT + 1)
    assert not any("x" in one.value for one in events)
    assert [one.value for one in events[-3:]] == ["[masked]", "nothing here", "[masked]"]
    Masker(DEFAULT).mask(many := [event("token=x pwd=y cookie=z") for _ in range(STEPS_A_BATCH)])  # an ordinary batch
    assert {one.value for one in many} == {"token=[masked] pwd=[masked] cookie=[masked]"}


class Counting:
    def __init__(self, pattern: str) -> None:
        self._search, self.searches = compiled(pattern), 0

    def search(self, text: bytes, at: int) -> Any:
        self.searches += 1
        return self._search.search(text, at)


def test_of_each_text_one_match_is_enough_to_tell_that_it_is_touched() -> None:
    lines = [b"xx" * 5_000, b"", b"y", b"yx", b"x"] * 3
    search = Counting("x")
    expected = {index for index, line in enumerate(lines) if b"x" in line}
    assert touched(search, lines) == expected and search.searches <= len(lines) + 1
    ends = [sum(len(line) + 1 for line in lines[: index + 1]) for index in range(len(lines))]
    search = Counting("x")
    assert touched_between(search, b"\n".join(lines), ends) == expected and search.searches <= len(lines) + 1


def test_what_a_long_escape_stands_for_is_not_kept_in_memory() -> None:
    _short.cache_clear()
    for many in range(2_000, 2_020):
        assert Masker(DEFAULT).mask_text("token%" + "25" * many + "3Dx n") == "token%" + "25" * many + "3D[masked] n"
        Masker(DEFAULT).mask_text("\\" * many)
    assert _short.cache_info().currsize == 0
    Masker(DEFAULT).mask_text("a%3Db%253Dc")
    assert _short.cache_info().currsize == 2


def test_bytes_that_are_looked_at_for_the_end_of_a_value_count_as_steps() -> None:
    for unclosed in ("token: [\n", "token: (\n", "token: A {\n"):
        masked = Masker(DEFAULT).mask_text(unclosed * 30_000 + "more x")
        assert 1 < masked.count("[masked]") < 10 and masked.endswith("[masked]") and "more" not in masked
    assert Masker(DEFAULT).mask_text("token: [\n" + "more x\n" * 50) == "token: [masked]\n" + "more x\n" * 50


def test_a_long_value_without_quotes_is_no_part_of_the_search_and_a_run_of_escapes_is_one() -> None:
    found = compiled("|".join(alternatives(Fields(DEFAULT.fields), DEFAULT.builtin))).search(b"token=" + b"x" * 100_000)
    assert found.end() == len("token=x")
    plain = plain_of(b"token%3D%41%41 %2541%4" + b"%41" * 1_000)
    assert plain is not None and plain.text == b"token=AA A%4" + b"A" * 1_000 and len(plain._parts) == 7
    assert [plain.span(at, at + 1) for at in (5, 6, 7, 9, 14)] == [(5, 8), (8, 11), (11, 14), (15, 20), (28, 31)]
