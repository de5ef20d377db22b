"""build: Endpoints → the handler of a service, from a request's head to its answer. No Flask, no Granian."""

from engine.handling.answers import WireAnswer, close_body, write_answer
from engine.handling.build import build_handler, open_service
from engine.handling.faults import CLIENT_GONE, CUT_OFF, INSTEAD, end_connection, reset_connection
from engine.handling.handler import Handler
from engine.handling.incoming import Environ, Incoming, id_headers, request_id, trace_id
