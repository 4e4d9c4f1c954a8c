import * as TransportMemory from "@tenon/messaging/TransportMemory"
import * as TransportLaws from "@tenon/testing/TransportLaws"

TransportLaws.suite("TransportMemory", TransportMemory.layer)
