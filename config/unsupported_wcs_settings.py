"""Settings of WCS that have no effect here: for each, why, and what to do instead.

The settings file of a WCS installation works unchanged: none of these stops the start, each is a warning. The names
are those of WCS's documentation.
"""

from collections.abc import Mapping

_ONE_PORT = "all media goes through the one port media_port_from"
_NO_RECORDING = "this server does not do this with recordings"
_NO_HLS = "this server has no HLS; pages play by WebRTC: the WebSDK, /embed_player, WHEP"
_NO_RTMP = "this server takes no RTMP; publish by WebRTC or WHIP"
_NO_RTSP = "this server decides it by what the camera says"
_NO_SIP = "see sip.servers"
_NO_ACCOUNT_FILES = "accounts are those of pages, of their backends (the hook connect), and of sip.accounts_file"
_NO_CLASSES = "classes in Java are not loaded; backends decide by hooks"
_NO_SIP_FIELDS = "header fields of SIP are not passed on to pages"
_NO_CDN = "this server has no CDN; several servers are one cluster, see cluster.redis_url"
_NO_VOD = "files are those of capture.vod_folder"
_NO_TRANSCODING = "media is forwarded as it comes, never decoded or mixed"
_BY_AGE = "what waits for a slow client is bounded by its age"
_NO_CLIENT_LOGS = "what pages log is in their debug reports, see session_debug_reports"
_CONGESTION = "bandwidth is controlled by the publishers themselves, and bounded by max_publisher_bitrate"

WITHOUT_EFFECT: Mapping[str, str] = {
    "aws_s3_credentials": _NO_VOD,
    "auto_login_url": _NO_ACCOUNT_FILES,
    "balance_header": _NO_SIP_FIELDS,
    "call_record_listener": _NO_CLASSES,
    "client_dump_level": _NO_CLIENT_LOGS,
    "client_log_level": f"{_NO_CLIENT_LOGS}; see log.level",
    "client_mode": "every client is a browser",
    "codecs_exclude_sip_rtmp": "see codecs_exclude_sip",
    "codecs_exclude_streaming": "remove them from codecs",
    "compact_media_port_usage": _ONE_PORT,
    "cost_header": _NO_SIP_FIELDS,
    "domain": f"pages and backends name their SIP server, {_NO_SIP}",
    "dtmf": "digits go as the page asks for: RFC 4733, or INFO",
    "enable_extended_logging": "see log.level",
    "flush_video_interval": _NO_RTMP,
    "get_callee_url": _NO_ACCOUNT_FILES,
    "keep_alive.algorithm": "clients are pinged by text frames, as HIGH_LEVEL does",
    "keep_alive.enabled": "every WebSocket client is pinged",
    "keep_alive.peer_interval": "a client pings by its own option pingInterval",
    "load_balancing_enabled": "/rest-api/lb is always there: it names this server, or a node of its cluster",
    "media_dir": _NO_VOD,
    "on_multiple_record_hook_script": _NO_RECORDING,
    "outbound_port": f"pages and backends name their SIP server, {_NO_SIP}",
    "outbound_proxy": f"pages and backends name their SIP server, {_NO_SIP}",
    "periodic_fir_request": "a key frame is requested when a viewer needs one",
    "periodic_fir_request_interval": "a key frame is requested when a viewer needs one",
    "port_to": "SIP has one port, port_from",
    "profiles": "H264 profiles are those that publisher and player have in common",
    "rtp_bundle": "audio and video always share one transport",
    "sip_msg_listener": _NO_CLASSES,
    "user_agent": "SIP messages name wcsd",
    "waiting_answer": "a page rings for 60 s",
    "wss.cert.password": "wss.key is a PEM file without a password",
    "wss.keystore.password": "see wss.keystore.file",
}
"""By name."""

FAMILIES: Mapping[str, str] = {
    "audio_": _NO_TRANSCODING,
    "cdn_": _NO_CDN,
    "file_recorder": _NO_RECORDING,
    "hls_": _NO_HLS,
    "ice_tcp_channel_": _BY_AGE,
    "jobs_": "the REST API answers at once and keeps no jobs",
    "ll_hls_": _NO_HLS,
    "mixer_": _NO_TRANSCODING,
    "mp4_": _NO_RECORDING,
    "multi_recorder": _NO_RECORDING,
    "pull_": "nodes of a cluster play each other's streams; for cameras and RTMP servers see capture.allow",
    "push_": "see the settings push.*",
    "record_flash_": "Flash is not served",
    "record_formats": "the codecs decide: WebM, MP4 for H264, Matroska for G.711",
    "record_rotation_": "rotated files have numbers in their names where these would be the same",
    "recorder_": _NO_RECORDING,
    "rtmfp": "Flash is not served",
    "rtmp.": _NO_RTMP,
    "rtmp_activity": _NO_RTMP,
    "rtmp_agent": _NO_RTMP,
    "rtmp_appkey": _NO_RTMP,
    "rtmp_flash": _NO_RTMP,
    "rtmp_in": _NO_RTMP,
    "rtmp_publish": _NO_RTMP,
    "rtmp_pull": "streams are not pulled from RTMP servers by a setting",
    "rtmp_push": "see push.reconnect_attempts and push.reconnect_delay",
    "rtmp_server": _NO_RTMP,
    "rtsp_client_address": _NO_RTSP,
    "rtsp_interleaved_channels": _NO_RTSP,
    "sip_": _NO_SIP,
    "snapshot_": "see docs/snapshot.md: a picture has the size of its stream",
    "transcoder_": _NO_TRANSCODING,
    "transcoding_": _NO_TRANSCODING,
    "video_": _NO_TRANSCODING,
    "vod_mp4": _NO_VOD,
    "webrtc_cc": _CONGESTION,
}
"""By prefix of the name, for groups of settings."""

KEYSTORES = ("wss.keystore.file", "https.keystore.file", "http.keystore.file", "keystore.file")
"""Java key stores, which hold certificate and key in a format only Java reads."""
_CONVERSION = (
    "a Java key store; wss.cert and wss.key take its content as PEM: "
    "keytool -importkeystore -srckeystore {store} -destkeystore wss.p12 -deststoretype PKCS12 && "
    "openssl pkcs12 -in wss.p12 -nokeys -out wss-cert.pem && "
    "openssl pkcs12 -in wss.p12 -nocerts -nodes -out wss-key.pem"
)

FOREIGN_CODECS: Mapping[str, str] = {
    "flv": "a codec of Flash",
    "g722": "only calls have it",
    "g729": "browsers do not have it",
    "h265": "no browser publishes it to this server",
    "mpeg4-generic": "AAC, which WebRTC does not carry",
    "mpv": "MPEG video, which WebRTC does not carry",
    "speex16": "no browser has it any more",
    "telephone-event": "only calls have it",
}
"""Codecs of WCS that this server does not have, spelled as in WCS's setting `codecs`."""


def reason_without_effect(key: str, value: str) -> str | None:
    """Why a setting of WCS has no effect here; None for an unknown setting.

    The text never contains a password.
    """
    if key in KEYSTORES:
        return _CONVERSION.format(store=value if _is_plain(value) else "FILE")
    if key in WITHOUT_EFFECT:
        return WITHOUT_EFFECT[key]
    beginning = next((start for start in FAMILIES if key.startswith(start)), None)
    return None if beginning is None else FAMILIES[beginning]


def _is_plain(path: str) -> bool:
    """Whether it can be shown in a command line and a log unescaped."""
    return path != "" and all(character.isalnum() or character in "/._-" for character in path)
