"""What the stand-ins of Glue and STS answer to boto3."""

import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def assume_role(endpoint, access_key, secret_key, role):
    """Keys of a session that an STS gives."""
    sts = _client(endpoint, access_key, secret_key, service="sts")
    given = sts.assume_role(RoleArn=role, RoleSessionName="trial")["Credentials"]
    return {"access_key": given["AccessKeyId"], "secret_key": given["SecretAccessKey"], "token": given["SessionToken"]}


def glue_answers(endpoint, access_key, secret_key, session):
    """How it takes what a client may get wrong, by a name for each case; `session` has the keys of one."""
    glue, database = _client(endpoint, access_key, secret_key), f"doubles_{uuid.uuid4().hex}"
    glue.create_database(DatabaseInput={"Name": database})
    for number in range(12):
        glue.create_table(**_table(database, f"t{number}"))
    first = glue.get_table(DatabaseName=database, Name="t0")["Table"]["VersionId"]
    update = {**_table(database, "t0"), "SkipArchive": True, "VersionId": first}
    return {
        "right version": _outcome(lambda: glue.update_table(**update)),
        "stale version": _outcome(lambda: glue.update_table(**update)),
        "missing table": _outcome(lambda: glue.get_table(DatabaseName=database, Name="missing")),
        "existing table": _outcome(lambda: glue.create_table(**_table(database, "t0"))),
        "other key": _asked_with(database, endpoint, "other", secret_key),
        "session": _asked_with(database, endpoint, **session),
        "session without its token": _asked_with(database, endpoint, **session | {"token": None}),
        "token of no session": _asked_with(database, endpoint, **session | {"token": session["token"][:-4] + "AAAA"}),
        "token with another key": _asked_with(database, endpoint, **session | {"access_key": access_key}),
        "pages of 12 tables": [
            len(page["TableList"]) for page in glue.get_paginator("get_tables").paginate(DatabaseName=database)
        ],
    }


def glue_add_others(endpoint, access_key, secret_key, database):
    """Puts a Hive table, a Delta table and a view beside the Iceberg tables of a database."""
    glue = _client(endpoint, access_key, secret_key)
    for name, kind, parameters in (
        ("other_hive", "EXTERNAL_TABLE", {"classification": "parquet"}),
        ("other_delta", "EXTERNAL_TABLE", {"spark.sql.sources.provider": "delta"}),
        ("other_view", "VIRTUAL_VIEW", {"presto_view": "true"}),
    ):
        table = {"Name": name, "TableType": kind, "Parameters": parameters}
        glue.create_table(DatabaseName=database, TableInput=table)


def glue_annotate(endpoint, access_key, secret_key, database, table):
    """Writes into an entry what other tools keep there."""
    glue = _client(endpoint, access_key, secret_key)
    found = glue.get_table(DatabaseName=database, Name=table)["Table"]
    kept = ("Name", "TableType", "Parameters", "StorageDescriptor", "PartitionKeys")
    entry = {key: found[key] for key in kept if key in found} | {"Description": "kept by hand", "Owner": "somebody"}
    entry["Parameters"] = entry["Parameters"] | {"projection.enabled": "true", "team": "storage"}
    glue.update_table(DatabaseName=database, TableInput=entry)


def glue_entry(endpoint, access_key, secret_key, database, table):
    """The entry of a table; times are left out."""
    found = _client(endpoint, access_key, secret_key).get_table(DatabaseName=database, Name=table)["Table"]
    return {key: found.get(key) for key in ("Description", "Owner", "Parameters", "VersionId", "TableType")}


def _asked_with(database, endpoint, access_key, secret_key, token=None):
    return _outcome(lambda: _client(endpoint, access_key, secret_key, token).get_database(Name=database))


def _client(endpoint, access_key, secret_key, token=None, service="glue"):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=token,
        config=Config(retries={"max_attempts": 1}),
    )


def _table(database, name):
    parameters = {"table_type": "ICEBERG", "metadata_location": "s3://aws-lake/t/metadata/0.json"}
    return {
        "DatabaseName": database,
        "TableInput": {"Name": name, "TableType": "EXTERNAL_TABLE", "Parameters": parameters},
    }


def _outcome(ask):
    try:
        ask()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "taken"
