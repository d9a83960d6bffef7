using Vmm.Core.Memory;

namespace Vmm.Network.User;

/// <summary>Something that has frames for the guest now and then: a connection, a flow of datagrams. Under the network's lock.</summary>
internal interface IFrameSource
{
    /// <summary>Whether it stands in the line of those that have something to send.</summary>
    bool IsInLine { get; set; }

    /// <summary>The pair of queues that it uses.</summary>
    int Queue { get; }

    /// <summary>Makes its next frame, or puts it into the outbox.</summary>
    /// <returns>Bytes written; 0 for none.</returns>
    int Produce(ReadOnlySpan<IoVec> into, int room);

    /// <summary>Whether it has more.</summary>
    bool HasMore { get; }
}
