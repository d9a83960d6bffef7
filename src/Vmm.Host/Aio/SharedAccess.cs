namespace Vmm.Host.Aio;

/// <summary>
/// Many inside at once, or one alone. Unlike a lock it may be left on another thread than it was entered on, as I/O in flight needs. Who
/// is inside belongs to one of two rounds, so that it can be told when all that were inside at some moment have left.
/// </summary>
public sealed class SharedAccess
{
    private readonly object _gate = new();
    private readonly int[] _inside = new int[2];
    private int _round;
    private int _wanting;
    private bool _isAlone;

    /// <summary>Enters, unless someone is alone inside or waits to be.</summary>
    /// <param name="ticket">For <see cref="Leave"/>.</param>
    public bool TryEnter(out int ticket)
    {
        lock (_gate)
        {
            ticket = _round;
            if (_isAlone || _wanting != 0) return false;
            _inside[ticket]++;
            return true;
        }
    }

    /// <summary>Enters, and waits for that if need be.</summary>
    public int Enter()
    {
        lock (_gate)
        {
            while (_isAlone || _wanting != 0) Monitor.Wait(_gate);
            _inside[_round]++;
            return _round;
        }
    }

    /// <summary>Leaves, on any thread.</summary>
    public void Leave(int ticket)
    {
        lock (_gate)
        {
            if (--_inside[ticket] == 0 && _wanting != 0) Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits until everybody has left, and keeps everybody out. Not from within.</summary>
    public void EnterAlone()
    {
        lock (_gate)
        {
            _wanting++;
            while (_isAlone || _inside[0] + _inside[1] != 0) Monitor.Wait(_gate);
            _wanting--;
            _isAlone = true;
        }
    }

    /// <summary>Lets the others in again.</summary>
    public void LeaveAlone()
    {
        lock (_gate)
        {
            _isAlone = false;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Begins another round: who enters from now on is not of this one. The round before this one must have ended.</summary>
    /// <returns>The round that is over for newcomers, for <see cref="HasEnded"/>.</returns>
    public int Turn()
    {
        lock (_gate)
        {
            if (_inside[1 - _round] != 0) throw new InvalidOperationException("the round before has not ended");
            _round = 1 - _round;
            return 1 - _round;
        }
    }

    /// <summary>Whether everybody of a round that was turned away from has left.</summary>
    public bool HasEnded(int round)
    {
        lock (_gate) return _inside[round] == 0;
    }
}
