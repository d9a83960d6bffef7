using System.Buffers;
using StreamJsonRpc;

namespace Vmm.Control.Rpc;

/// <summary>Requests that came in one message (JSON-RPC 2.0 §6) and are answered in one. It is filled by who reads, then completed by who writes.</summary>
internal sealed class RpcBatch
{
    private readonly List<ReadOnlyMemory<byte>> _answers = [];

    /// <summary>How many requests are not answered yet; notifications get no answer.</summary>
    public int Open { get; set; }

    /// <summary>Whether there is anything to say.</summary>
    public bool HasAnswers => _answers.Count != 0;

    /// <summary>Takes an answer as JSON.</summary>
    public void Add(ReadOnlyMemory<byte> answer) => _answers.Add(answer);

    /// <summary>All answers as JSON.</summary>
    public ReadOnlySpan<byte> ToJson()
    {
        ArrayBufferWriter<byte> json = new();
        for (int i = 0; i < _answers.Count; i++)
        {
            json.Write(i == 0 ? "["u8 : ","u8);
            json.Write(_answers[i].Span);
        }

        json.Write("]"u8);
        return json.WrittenSpan;
    }

    /// <summary>Where a request of a batch came from, by the number that it has while it is under way.</summary>
    /// <param name="Batch">The batch.</param>
    /// <param name="Id">The client's own id.</param>
    public sealed record Place(RpcBatch Batch, RequestId Id);
}
